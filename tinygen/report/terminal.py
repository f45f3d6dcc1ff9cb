"""The summary that a person reads at the end of a build."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tinygen.report.compression import show_steps
from tinygen.report.model import METRIC_TITLES, BuildReport, LayerReport, ValidationReport

__all__ = ["layer_table", "show_report"]

_BAR_CELLS = 24


def show_report(report: BuildReport, console: Console) -> None:
    """Print the recipe's steps, the layers, the memory and the verdict."""
    console.print()
    if report.compression is not None:
        show_steps(report.compression, console)
        console.print()
    if report.layers:
        console.print(layer_table(report.layers))
    console.print(Panel(Group(*_summary(report)), title=_title(report), border_style=_colour(report), expand=False))
    for note in report.notes:
        console.print(f"[dim]note:[/] {note}", highlight=False)
    if report.output:
        console.print(f"firmware and sources are in [bold]{report.output}[/]", highlight=False)


def layer_table(layers: tuple[LayerReport, ...]) -> Table:
    """Layers with a bar that shows their share of the instructions."""
    measured = any(layer.instructions for layer in layers)
    table = Table(box=None, header_style="dim", pad_edge=False)
    for title in ("#", "operator", "form"):
        table.add_column(title, no_wrap=True)
    for title in ("MACs", "weights"):
        table.add_column(title, justify="right")
    if measured:
        table.add_column("instructions", justify="right")
        table.add_column("per MAC", justify="right")
        table.add_column("share", no_wrap=True)
    total = sum(layer.instructions for layer in layers) or 1
    for layer in layers:
        row = [str(layer.index), layer.op, layer.form, _number(layer.macs), _number(layer.weights_bytes)]
        if measured:
            per_mac = f"{layer.instructions / layer.macs:.2f}" if layer.macs else ""
            row += [_number(layer.instructions), per_mac, _bar(layer.instructions / total)]
        table.add_row(*row)
    return table


def _summary(report: BuildReport) -> Iterator[RenderableType]:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(justify="right")
    grid.add_column(no_wrap=True)
    grid.add_column(style="dim")
    flash, ram, run = report.flash, report.ram, report.validation
    grid.add_row(
        "flash",
        f"{flash.total:,} B",
        _gauge(flash.total, flash.limit),
        f"weights {flash.weights:,}, kernels {flash.kernels:,}, generated {flash.generated:,}, other {flash.other:,}",
    )
    grid.add_row(
        "RAM",
        f"{ram.total:,} B",
        _gauge(ram.total, ram.limit),
        f"arena {ram.arena:,}, static {ram.static:,}, stack {ram.stack:,}",
    )
    if run.instructions_per_inference:
        grid.add_row("instructions", f"{run.instructions_per_inference:,}", "", _per_mac(report))
    elif run.ticks_per_inference:
        grid.add_row(run.ticks_unit, f"{run.ticks_per_inference:,}", "", "measured on the board")
    if run.latency_ms is not None:
        grid.add_row("latency", f"about {run.latency_ms:g} ms", "", _estimated(run))
    if report.accuracy.board is not None:
        grid.add_row("accuracy", f"{report.accuracy.board:.1%}", "", _accuracies(report))
    for name, values in report.metrics.items():
        if name != "accuracy" and values["board"] is not None:
            grid.add_row(METRIC_TITLES[name], f"{values['board']:.4g}", "", _others(values))
    yield grid
    yield Text(_verdict(report), style=_colour(report))


def _title(report: BuildReport) -> str:
    return f"{report.name} on {report.board} ({report.runtime})"


def _verdict(report: BuildReport) -> str:
    run = report.validation
    if not run.vectors:
        return "not run"
    where = f"{run.vectors} {'random ' if run.vectors_from == 'random' else ''}vectors on {run.emulator}"
    if run.bit_exact:
        return f"✔ bit-exact: {where}, every output bit equals the reference"
    return f"✘ {run.mismatches} of {where} differ from the reference"


def _per_mac(report: BuildReport) -> str:
    if not report.model.macs:
        return ""
    return (
        f"{report.validation.instructions_per_inference / report.model.macs:.2f} for each of {report.model.macs:,} MACs"
    )


def _estimated(run: ValidationReport) -> str:
    cycles = run.cycles_per_inference or {}
    low, high = (1e3 * cycles.get(key, 0) / max(run.clock_hz, 1) for key in ("low", "high"))
    energy = f", {run.energy_mj:g} mJ" if run.energy_mj is not None else ""
    return f"estimated: {low:.3g} to {high:.3g} ms at {run.clock_hz / 1e6:g} MHz{energy}"


def _accuracies(report: BuildReport) -> str:
    parts = [("float model", report.accuracy.float), ("reference", report.accuracy.int8)]
    return ", ".join(f"{name} {value:.1%}" for name, value in parts if value is not None)


def _others(values: Mapping[str, float | None]) -> str:
    parts = [("float model", values["float"]), ("reference", values["int8"])]
    return ", ".join(f"{name} {value:.4g}" for name, value in parts if value is not None)


def _colour(report: BuildReport) -> str:
    return "green" if report.status == "ok" else "red"


def _number(value: int) -> str:
    return f"{value:,}" if value else ""


def _bar(share: float) -> str:
    return "█" * round(share * _BAR_CELLS) + f" {share:.0%}"


def _gauge(used: int, limit: int) -> str:
    share = used / limit if limit else 0.0
    cells = min(10, round(share * 10))
    return f"[{'green' if share <= 1 else 'red'}]{'█' * cells}[/][dim]{'░' * (10 - cells)}[/] {share:.0%}"
