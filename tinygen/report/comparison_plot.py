"""Where the points, ticks, lines and labels of a comparison's plot lie: flash against quality."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tinygen.report.axis import Axis, Tick, round_range, steps
from tinygen.report.comparison import LOWER_IS_BETTER, Comparison, ComparisonRow

__all__ = ["Plot", "draw"]

WIDTH, HEIGHT = 860, 440
LEFT, RIGHT, TOP, BOTTOM = 90, 30, 20, 60
_CHARACTER, _LINE = 7.0, 16.0  # of a label in a 12-pixel font, generously
_RADIUS = 6.0


@dataclass(frozen=True, slots=True)
class Point:
    """A row: its number in the table, its place, and where its label starts."""

    number: int
    row: ComparisonRow
    x: float
    y: float
    label_x: float
    label_y: float
    anchor: str
    leader: bool


@dataclass(frozen=True, slots=True)
class Plot:
    """All that the template draws, in pixels from the top left corner."""

    points: tuple[Point, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    frontier: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def draw(comparison: Comparison) -> Plot | None:
    """Place everything; better is always further up. ``None`` if there is no row with a quality."""
    rows = [(i, row) for i, row in enumerate(comparison.rows, 1) if row.built and row.quality is not None]
    if not rows:
        return None
    values = [_quality(row) for _, row in rows]
    sizes = [row.flash_bytes for _, row in rows]
    x_low, x_high, x_step = round_range(sizes)
    y_low, y_high, y_step = round_range(values)
    x_axis = Axis(x_low, x_high, LEFT, WIDTH - RIGHT)
    upside_down = comparison.metric in LOWER_IS_BETTER
    y_axis = Axis(y_low, y_high, *((TOP, HEIGHT - BOTTOM) if upside_down else (HEIGHT - BOTTOM, TOP)))
    places = [(x_axis.at(row.flash_bytes), y_axis.at(_quality(row))) for _, row in rows]
    labels = _place_labels(places, [row.title for _, row in rows])
    points = tuple(
        Point(number, row, x, y, *label) for (number, row), (x, y), label in zip(rows, places, labels, strict=True)
    )
    percent = not upside_down
    return Plot(
        points,
        tuple(Tick(x_axis.at(v), f"{v:,.0f}") for v in steps(x_low, x_high, x_step)),
        tuple(Tick(y_axis.at(v), f"{100 * v:.4g} %" if percent else f"{v:.4g}") for v in steps(y_low, y_high, y_step)),
        _staircase(places),
    )


def _quality(row: ComparisonRow) -> float:
    assert row.quality is not None
    return row.quality


def _staircase(places: Sequence[tuple[float, float]]) -> str:
    """An SVG path along the points that none beats in both flash and quality, as steps from left to right."""
    path = ""
    best = math.inf
    for x, y in sorted(places):
        if y < best:
            path += f" H {x} V {y}" if path else f"M {x} {y}"
            best = y
    return f"{path} H {WIDTH - RIGHT}"


_Box = tuple[float, float, float, float]
_Label = tuple[float, float, str, bool]


def _place_labels(places: Sequence[tuple[float, float]], texts: Sequence[str]) -> list[_Label]:
    """Beside the points, or further off with a line to them, so that nothing covers a label."""
    taken: list[_Box] = [(x - _RADIUS, y - _RADIUS, x + _RADIUS, y + _RADIUS) for x, y in places]
    labels = []
    for (x, y), text in zip(places, texts, strict=True):
        # The numbers in front of the names are two digits and a space wide.
        candidates = list(_candidates(x, y, (len(text) + 3) * _CHARACTER))
        label, box = next((c for c in candidates if _is_free(c[1], taken)), candidates[0])
        taken.append(box)
        labels.append(label)
    return labels


def _candidates(x: float, y: float, width: float) -> Iterator[tuple[_Label, _Box]]:
    near = _RADIUS + 4
    for step in range(20):
        for down in dict.fromkeys((step, -step)):
            middle = y + down * _LINE
            for anchor, start in (("start", x + near + step), ("end", x - near - step)):
                left = start if anchor == "start" else start - width
                yield (
                    (round(start, 1), round(middle + 4, 1), anchor, step > 0),
                    (left, middle - _LINE / 2, left + width, middle + _LINE / 2),
                )


def _is_free(box: _Box, taken: Sequence[_Box]) -> bool:
    left, top, right, bottom = box
    if left < LEFT or right > WIDTH or top < 0 or bottom > HEIGHT - BOTTOM:
        return False
    return not any(left < x2 and x1 < right and top < y2 and y1 < bottom for x1, y1, x2, y2 in taken)
