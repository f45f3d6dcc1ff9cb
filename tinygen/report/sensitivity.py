"""What each layer costs in each smaller form: the table, for terminals and browsers alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tinygen.compress import CompressionLog, shown

__all__ = ["SensitivityCell", "SensitivityLayer", "SensitivityTable", "sensitivity_table", "show_sensitivity"]

_BAR_CELLS = 20


@dataclass(frozen=True, slots=True)
class SensitivityCell:
    """One layer in one form.

    Attributes:
        change: root mean square of what it changes in the outputs, before their softmax or sigmoid.
        metric, drop: of the model with this layer in this form, all others as they were.
        chosen: a later step gave the layer this form.
    """

    form: str
    change: float
    metric: float
    drop: float
    chosen: bool


@dataclass(frozen=True, slots=True)
class SensitivityLayer:
    """A layer and its cells, in the order in which the forms were tried."""

    name: str
    kind: str
    weights: int
    cells: tuple[SensitivityCell, ...]


@dataclass(frozen=True, slots=True)
class SensitivityTable:
    """What a sensitivity step found out.

    Attributes:
        step: its number.
        samples: of the training split, on which it was measured.
        chosen_by: the step that chose by it, such as ``2 (cluster)``; empty if none did.
    """

    recipe: str
    metric: str
    step: int
    samples: int
    chosen_by: str
    layers: tuple[SensitivityLayer, ...]

    @property
    def forms(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(cell.form for layer in self.layers for cell in layer.cells))

    @property
    def largest_change(self) -> float:
        return max((cell.change for layer in self.layers for cell in layer.cells), default=0.0)


def sensitivity_table(log: CompressionLog) -> SensitivityTable | None:
    """The last table in a log; ``None`` if no step measured one."""
    found = [step for step in log.steps if step.details.get("sensitivity")]
    if not found:
        return None
    step = found[-1]
    chooser = next((later for later in log.steps if later.index > step.index and "allocation" in later.details), None)
    chosen: Mapping[str, int] = {} if chooser is None else chooser.details["allocation"]["values"]
    rows = step.details["sensitivity"]
    layers = []
    for name in dict.fromkeys(str(row["layer"]) for row in rows):
        own = [row for row in rows if row["layer"] == name]
        cells = tuple(
            SensitivityCell(
                form=str(row["form"]),
                change=sqrt(float(row["output_change"])),
                metric=float(row["metric"]),
                drop=float(row["drop"]),
                chosen=bool(row["values"]) and chosen.get(name) == row["values"],
            )
            for row in own
        )
        layers.append(SensitivityLayer(name, str(own[0]["kind"]), int(own[0]["weights"]), cells))
    by = "" if chooser is None else f"{chooser.index} ({chooser.kind})"
    samples = int(step.details.get("samples", 0))
    return SensitivityTable(str(log.recipe["name"]), log.metric, step.index, samples, by, tuple(layers))


def show_sensitivity(table: SensitivityTable, console: Console) -> None:
    """Print a line for each layer and form, with a bar for the change of the outputs."""
    grid = Table(box=None, header_style="dim", pad_edge=False)
    grid.add_column("layer", no_wrap=True)
    # Names of layers give way where a terminal is narrow, figures never.
    grid.add_column("form", no_wrap=True, min_width=max(map(len, table.forms)))
    for title, width in ((table.metric, 6), ("drop", 7), ("change", 7)):
        grid.add_column(title, justify="right", no_wrap=True, min_width=max(width, len(title)))
    grid.add_column("", no_wrap=True, min_width=_BAR_CELLS)
    for layer in table.layers:
        titles = [escape(layer.name), f"[dim]{layer.kind}, {layer.weights:,}[/]"]
        for i, cell in enumerate(layer.cells):
            numbers = (shown(cell.metric), shown(cell.drop, "+.4f"), f"{cell.change:.2g}")
            style = "bold" if cell.chosen else None
            title = titles[i] if i < len(titles) else ""
            grid.add_row(title, cell.form, *numbers, _bar(cell, table.largest_change), style=style)
    console.print(grid)
    bold = f"; bold: chosen by step {table.chosen_by}" if table.chosen_by else ""
    console.print(
        f"[dim]change: root mean square of that of the outputs before softmax, on {table.samples} samples{bold}[/]"
    )


def _bar(cell: SensitivityCell, largest: float) -> str:
    return "█" * round(_BAR_CELLS * cell.change / largest) if largest else ""
