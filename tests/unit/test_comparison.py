"""Comparisons: what is on the frontier, and how rows are shown."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from rich.console import Console

from tinygen.errors import BudgetError
from tinygen.report.comparison import Comparison, ComparisonRow, Failure, mark_frontier
from tinygen.report.comparison_page import render_comparison
from tinygen.report.comparison_plot import HEIGHT, LEFT, WIDTH, draw
from tinygen.report.comparison_table import columns, show_comparison


def row(
    recipe: str, quality: float | None, flash: int, ram: int = 100, instructions: int = 1000, **more: Any
) -> ComparisonRow:
    metrics = {"accuracy": {"float": 0.97, "int8": quality, "board": quality}}
    return ComparisonRow(
        recipe, "size", "aot", f"builds/{recipe}", quality, metrics,
        flash_bytes=flash, ram_bytes=ram, instructions=instructions, **more,
    )  # fmt: skip


def failed(recipe: str, message: str = "flash is full") -> ComparisonRow:
    return ComparisonRow(recipe, "size", "aot", failure=Failure.of(BudgetError(message, hint="Take less.")))


def comparison(*rows: ComparisonRow, metric: str = "accuracy") -> Comparison:
    return Comparison("net", "stm32f4", metric, "", mark_frontier(rows, metric), ("a note",), "out/net")


def frontier(*rows: ComparisonRow, metric: str = "accuracy") -> list[str]:
    return [r.recipe for r in mark_frontier(rows, metric) if r.frontier]


def test_worse_in_everything_is_off_the_frontier() -> None:
    assert frontier(row("good", 0.9, 10), row("bad", 0.8, 20, 200, 2000)) == ["good"]


def test_better_in_one_thing_is_on_the_frontier() -> None:
    rows = (row("base", 0.9, 10), row("right", 0.95, 20), row("lean", 0.8, 30, ram=50), row("fast", 0.8, 30, 100, 10))
    assert frontier(*rows) == ["base", "right", "lean", "fast"]


def test_equals_are_both_on_the_frontier_and_ties_in_all_but_one_are_not() -> None:
    assert frontier(row("a", 0.9, 10), row("b", 0.9, 10), row("c", 0.9, 11)) == ["a", "b"]


def test_errors_are_better_the_lower_they_are() -> None:
    assert frontier(row("a", 2.0, 10), row("b", 1.0, 10), metric="mse") == ["b"]


def test_without_quality_the_costs_decide_and_a_row_that_lacks_it_is_the_worst() -> None:
    assert frontier(row("a", None, 10), row("b", None, 20)) == ["a"]
    assert frontier(row("a", None, 10), row("b", 0.1, 10)) == ["b"]


def test_rows_that_failed_come_last_and_beat_nobody() -> None:
    rows = mark_frontier([failed("none"), row("big", 0.9, 20), row("small", 0.8, 10)], "accuracy")
    assert [(r.recipe, r.frontier) for r in rows] == [("small", True), ("big", True), ("none", False)]


def test_exit_code_is_that_of_the_first_only_if_nothing_was_built() -> None:
    assert comparison(failed("a"), row("b", 0.5, 1)).exit_code == 0
    assert comparison(failed("a"), failed("b")).exit_code == 3


def test_json() -> None:
    data = json.loads(comparison(row("a", 0.9, 10, latency_ms=0.5), failed("b")).to_json())
    assert list(data)[:2] == ["schema", "tinygen"]
    assert data["schema"] == 1 and "output" not in data
    good, bad = data["rows"]
    assert (good["quality"], good["flash_bytes"], good["frontier"], good["failure"]) == (0.9, 10, True, None)
    assert bad["failure"] == {
        "exit_code": 3, "error": "BudgetError", "message": "flash is full", "details": [], "hint": "Take less."
    }  # fmt: skip


def test_columns_are_those_that_have_figures() -> None:
    titles = [c.title for c in columns(comparison(row("a", 0.9, 10, latency_ms=0.5)))]
    assert titles == ["accuracy, float", "accuracy, int8", "accuracy, board", "flash", "RAM", "instructions", "ms"]


def test_terminal() -> None:
    console = Console(width=160, file=io.StringIO(), highlight=False)
    show_comparison(comparison(row("a[b]", 0.9, 12345), failed("c"), failed("d")), console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert re.search(r"★ +a\[b\] +size +aot +97.00% +90.00% +90.00% +12,345", text)
    assert "c size, d size: exit code 3: flash is full" in text
    assert text.count("Take less.") == 1 and "a note" in text and "out/net" in text


class Outline(HTMLParser):
    """Counts the elements, and fails on one that is closed out of turn."""

    VOID = frozenset({"meta", "line", "circle", "path"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_page_is_self_contained_and_escaped() -> None:
    evil = '<script>alert("1")</script>'
    page = render_comparison(comparison(row(evil, 0.9, 10), row("b", 0.8, 5), failed("c", evil)))
    outline = Outline()
    outline.feed(page)
    assert outline.open == [] and "script" not in outline.seen
    assert outline.seen.count("circle") == 2 and outline.seen.count("tr") == 4
    assert "&lt;script&gt;" in page
    assert not re.search(r"(src|url\()|https?://", page)
    assert "exit code 3" in page


def test_page_without_quality_has_no_plot() -> None:
    assert "<svg" not in render_comparison(comparison(row("a", None, 10), metric=""))
    assert "<svg" not in render_comparison(comparison(failed("a")))


@pytest.mark.parametrize("count", [1, 2, 9, 24])
def test_labels_cover_no_point_and_no_other_label(count: int) -> None:
    """Rows that are almost alike are the hard case."""
    plot = draw(comparison(*(row(f"recipe-{i % 5}", 0.9 - 0.001 * (i % 3), 20_000 + 10 * i) for i in range(count))))
    assert plot is not None
    boxes = []
    for point in plot.points:
        width = 6 * len(f"{point.number} {point.row.title}")
        left = point.label_x if point.anchor == "start" else point.label_x - width
        boxes.append((left, point.label_y - 11, left + width, point.label_y + 3))
        assert LEFT <= point.x <= WIDTH and 0 <= point.y <= HEIGHT
    for i, one in enumerate(boxes):
        assert one[0] >= LEFT and one[2] <= WIDTH and one[1] >= 0 and one[3] <= HEIGHT
        for other in boxes[i + 1 :]:
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        for p in plot.points:
            assert not (one[0] < p.x < one[2] and one[1] < p.y < one[3])


def test_better_is_up_also_for_errors() -> None:
    for metric, best in (("accuracy", 0.9), ("mse", 0.1)):
        plot = draw(comparison(row("a", 0.9, 10), row("b", 0.1, 20), metric=metric))
        assert plot is not None
        assert min(plot.points, key=lambda p: p.y).row.quality == best


def test_the_line_goes_by_the_rows_that_none_beats() -> None:
    plot = draw(comparison(row("a", 0.5, 10), row("worse", 0.4, 20), row("c", 0.9, 30)))
    assert plot is not None
    a, _, c = plot.points
    assert plot.frontier == f"M {a.x} {a.y} H {c.x} V {c.y} H {plot.right}"
