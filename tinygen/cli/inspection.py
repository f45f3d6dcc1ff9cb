"""``tinygen inspect``: what a model is made of, and an estimate before anything is compiled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tinygen.optimize import PassEffect
from tinygen.pipeline import Compiled
from tinygen.pipeline.reporting import layer_reports
from tinygen.pipeline.validating import read_report
from tinygen.report import show_report
from tinygen.report.terminal import layer_table

__all__ = ["inspection", "show_build", "show_inspection"]


def show_build(folder: Path, console: Console, *, as_json: bool) -> None:
    """A finished build's layers with their measured instructions, and its summary."""
    report = read_report(folder)
    if as_json:
        console.print_json(report.to_json())
    else:
        show_report(report, console)


def inspection(compiled: Compiled) -> dict[str, object]:
    """The facts as plain data."""
    return {
        "name": compiled.interface.name,
        "sha256": compiled.loaded.sha256,
        "ops": compiled.op_counts,
        "macs": compiled.macs,
        "live_macs": compiled.live_macs,
        "inputs": [_port(p.label, p.dtype.value, p.shape) for p in compiled.interface.inputs],
        "outputs": [_port(p.label, p.dtype.value, p.shape) for p in compiled.interface.outputs],
        "estimate": {
            "arena_bytes": compiled.memory.arena_bytes,
            "arena_bound_bytes": compiled.memory.bound,
            "constants_bytes": compiled.package.constants_bytes,
        },
        "passes": [
            {
                "name": e.name,
                "ops": [e.ops_before, e.ops_after],
                "bytes": [e.constant_bytes_before, e.constant_bytes_after],
                "macs": [e.macs_before, e.macs_after],
            }
            for e in compiled.effects
        ],
        "layers": [
            {
                "index": layer.index,
                "op": layer.op,
                "macs": layer.macs,
                "weights_bytes": layer.weights_bytes,
                "form": layer.form,
            }
            for layer in layer_reports(compiled)
        ],
    }


def show_inspection(compiled: Compiled, console: Console) -> None:
    """Print the layers, the passes that changed something, and the estimate."""
    console.print(layer_table(layer_reports(compiled)))
    for effect in compiled.effects:
        if effect.changed:
            console.print(f"[dim]{effect.name}:[/] {', '.join(_changes(effect))}")
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim")
    facts.add_column()
    for kind, ports in (("input", compiled.interface.inputs), ("output", compiled.interface.outputs)):
        for port in ports:
            facts.add_row(f"{kind} {port.index}", f"{port.dtype.value} {list(port.shape)} {port.label.split(';')[0]}")
    facts.add_row("MACs", f"{compiled.macs:,} ({compiled.live_macs:,} live)")
    facts.add_row(
        "constants", f"{compiled.package.constants_bytes:,} bytes of flash [dim](estimate: no code counted)[/]"
    )
    facts.add_row(
        "arena",
        f"{compiled.memory.arena_bytes:,} bytes of RAM [dim](estimate: no stack counted; "
        f"{compiled.memory.bound:,} are alive at once)[/]",
    )
    console.print(facts)


def _changes(effect: PassEffect) -> Iterator[str]:
    """What a pass changed, in the units in which it did."""
    for before, after, unit in (
        (effect.ops_before, effect.ops_after, "operators"),
        (effect.constant_bytes_before, effect.constant_bytes_after, "bytes of constants"),
        (effect.macs_before, effect.macs_after, "MACs"),
    ):
        if before != after:
            yield f"{before:,} -> {after:,} {unit}"


def _port(label: str, dtype: str, shape: tuple[int, ...]) -> dict[str, object]:
    return {"name": label, "dtype": dtype, "shape": list(shape)}
