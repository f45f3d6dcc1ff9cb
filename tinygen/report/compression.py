"""A recipe's steps, a line each, for terminals and browsers alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tinygen.compress import shown
from tinygen.report.model import CompressionReport, StepReport

__all__ = ["StepTable", "show_steps", "step_table"]


@dataclass(frozen=True, slots=True)
class StepTable:
    """Titles, and the cells of each step below them; the first two columns are text, the others numbers."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def step_table(compression: CompressionReport) -> StepTable:
    """What each step cost in the metric, against the floor, and in time."""
    titles = ("step", "measured on", f"{compression.metric} before".lstrip(), "after", "drop", "floor", "seconds")
    return StepTable(titles, tuple(tuple(_cells(step)) for step in compression.steps))


def show_steps(compression: CompressionReport, console: Console) -> None:
    """Print the table, and name what the steps left alone."""
    found = step_table(compression)
    table = Table(box=None, header_style="dim", pad_edge=False)
    for i, title in enumerate(found.titles):
        table.add_column(title, justify="left" if i < 2 else "right", no_wrap=True)
    for step, row in zip(compression.steps, found.rows, strict=True):
        missed = step.drop is not None and step.max_drop is not None and step.drop > step.max_drop
        table.add_row(*row, style="red" if missed else None)
    console.print(table)
    for step in compression.steps:
        for line in step.left_alone:
            console.print(f"[dim]step {step.index} ({step.kind}) left alone:[/] {escape(line)}", highlight=False)


def _cells(step: StepReport) -> Iterator[str]:
    yield f"{step.index} {step.kind}"
    yield step.target
    yield shown(step.before)
    yield shown(step.after)
    yield shown(step.drop, "+.4f")
    yield shown(step.max_drop, "g")
    yield f"{step.seconds:.1f}"
