"""The columns of a comparison, for terminals and browsers alike, and the terminal's table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tinygen.report.comparison import Comparison, ComparisonRow, Failure
from tinygen.report.model import METRIC_TITLES

__all__ = ["Column", "columns", "frontier_sentence", "show_comparison"]

_SIDES = ("float", "int8", "board")


@dataclass(frozen=True, slots=True)
class Column:
    """A title, and what stands below it: text for each row, empty where nothing is known."""

    title: str
    cells: tuple[str, ...]


def columns(comparison: Comparison) -> tuple[Column, ...]:
    """The figures that at least one row has: quality, then costs."""
    found = []
    for title, value in _figures(comparison):
        cells = tuple(value(row) if row.built else "" for row in comparison.rows)
        if any(cells):
            found.append(Column(title, cells))
    return tuple(found)


def frontier_sentence(comparison: Comparison) -> str:
    """What the marks mean."""
    quality = METRIC_TITLES.get(comparison.metric, comparison.metric)
    figures = f"{quality + ', ' if quality else ''}flash, RAM and instructions"
    return f"★ on the frontier: no other row is as good in {figures} together and better in one."


def show_comparison(comparison: Comparison, console: Console) -> None:
    """Print the rows, the reasons of those that failed, and what the marks mean."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    for title in ("", "recipe", "mode", "runtime"):
        table.add_column(title, no_wrap=True)
    found = columns(comparison)
    for column in found:
        table.add_column(column.title, justify="right")
    for i, row in enumerate(comparison.rows):
        style = "bold" if row.frontier else None if row.built else "red"
        head = ("★" if row.frontier else "", escape(row.recipe), row.mode, row.runtime)
        cells = [column.cells[i] for column in found]
        table.add_row(*head, *cells, style=style)
    console.print()
    console.print(table)
    _show_failures(comparison, console)
    if any(row.frontier for row in comparison.rows):
        console.print(f"[dim]{escape(frontier_sentence(comparison))}[/]")
    for note in comparison.notes:
        console.print(f"[dim]note:[/] {escape(note)}")
    if comparison.output:
        console.print(f"compare.html, compare.json and the builds are in [bold]{escape(comparison.output)}[/]")


def _show_failures(comparison: Comparison, console: Console) -> None:
    """Each reason once: a recipe that fails does so in every mode."""
    titles: dict[Failure, list[str]] = {}
    for row in comparison.rows:
        if row.failure is not None:
            titles.setdefault(row.failure, []).append(row.title)
    for failure, rows in titles.items():
        head = f"{escape(', '.join(rows))}: exit code {failure.exit_code}:"
        console.print(f"[red]{head}[/] {escape(failure.message)}")
        for line in failure.details:
            console.print(f"  {escape(line)}")
        if failure.hint:
            console.print(f"  [dim]{escape(failure.hint)}[/]")


def _figures(comparison: Comparison) -> Iterator[tuple[str, Callable[[ComparisonRow], str]]]:
    names = dict.fromkeys(name for row in comparison.rows for name in row.metrics)
    for name in sorted(names, key=lambda name: (name != comparison.metric, list(METRIC_TITLES).index(name))):
        # All three models for the metric that decides; of the others what the board gives.
        for side in _SIDES if name == comparison.metric else ("board",):
            title = METRIC_TITLES[name]
            yield f"{title}, {side}" if name == comparison.metric else title, _metric(name, side)
    if comparison.baseline:
        yield f"same class as {comparison.baseline}", lambda row: _share(row.agreement)
    yield "flash", lambda row: f"{row.flash_bytes:,}"
    yield "RAM", lambda row: f"{row.ram_bytes:,}"
    yield "instructions", lambda row: f"{row.instructions:,}" if row.instructions else ""
    yield "ms", lambda row: _short(row.latency_ms)
    yield "mJ", lambda row: _short(row.energy_mj)
    yield "tuning s", lambda row: "" if row.tuning_seconds is None else f"{row.tuning_seconds:,.1f}"


def _metric(name: str, side: str) -> Callable[[ComparisonRow], str]:
    def text(row: ComparisonRow) -> str:
        value = row.metrics.get(name, {}).get(side)
        return _short(value, 4) if name == "mse" else _share(value)

    return text


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"


def _short(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}g}"
