"""A sensitivity table as one self-contained page, with a chart of bars."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from tinygen.report.axis import Axis, Tick, round_step, steps
from tinygen.report.model import METRIC_TITLES
from tinygen.report.sensitivity import SensitivityCell, SensitivityLayer, SensitivityTable
from tinygen.resources import environment

__all__ = ["BarChart", "draw_bars", "render_sensitivity"]

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 860, 260, 30, 10, 50
_BAR, _GAP = 12, 12  # height of a bar, space between layers
# From dark to light, as forms usually come from mild to harsh; then from the start again.
_COLOURS = ("#1d4f91", "#3f7fd0", "#7faae0", "#b4cdee", "#d08a3f", "#e6bd8e")


@dataclass(frozen=True, slots=True)
class Bar:
    """One layer in one form, in pixels; ``middle`` is where its text stands."""

    cell: SensitivityCell
    y: float
    middle: float
    length: float
    colour: str


@dataclass(frozen=True, slots=True)
class Group:
    """The bars of a layer, its label at ``middle``."""

    layer: SensitivityLayer
    middle: float
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class BarChart:
    """All that the template draws, in pixels from the top left corner."""

    groups: tuple[Group, ...]
    ticks: tuple[Tick, ...]
    height: int
    width: int = WIDTH
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bar: int = _BAR

    @property
    def bottom(self) -> int:
        return self.height - BOTTOM


def render_sensitivity(table: SensitivityTable) -> str:
    """A page without scripts or outside resources; all text from recipes and models is escaped."""
    metric = METRIC_TITLES.get(table.metric, table.metric)
    legend = list(zip(table.forms, _colours(table).values(), strict=True))
    return (
        environment()
        .get_template("report/sensitivity.html.j2")
        .render(table=table, chart=draw_bars(table), legend=legend, metric=metric)
    )


def draw_bars(table: SensitivityTable) -> BarChart:
    """Place a group of bars for each layer, as long as the outputs change."""
    largest = table.largest_change or 1.0
    step = round_step(largest)
    high = math.ceil(largest / step) * step
    axis = Axis(0.0, high, LEFT, WIDTH - RIGHT)
    groups = tuple(_groups(table, axis))
    count = sum(len(layer.cells) for layer in table.layers)
    height = TOP + count * _BAR + len(groups) * _GAP + BOTTOM
    return BarChart(groups, tuple(Tick(axis.at(v), f"{v:.4g}") for v in steps(0.0, high, step)), height)


def _groups(table: SensitivityTable, axis: Axis) -> Iterator[Group]:
    colours = _colours(table)
    y = TOP + _GAP // 2
    for layer in table.layers:
        bars = tuple(
            Bar(cell, y + i * _BAR, y + (i + 0.5) * _BAR + 4, round(axis.at(cell.change) - LEFT, 1), colours[cell.form])
            for i, cell in enumerate(layer.cells)
        )
        yield Group(layer, y + len(bars) * _BAR / 2 + 4, bars)
        y += len(bars) * _BAR + _GAP


def _colours(table: SensitivityTable) -> dict[str, str]:
    return {form: _COLOURS[i % len(_COLOURS)] for i, form in enumerate(table.forms)}
