"""From what the stages found out to the report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tinygen.board import Board
from tinygen.build import Budget, BuildResult
from tinygen.forms.form import arrays_of
from tinygen.load.vectors import Vectors
from tinygen.lower import live_operator
from tinygen.pipeline.compiling import Compiled
from tinygen.pipeline.judging import Judgement
from tinygen.pipeline.latency import Latency
from tinygen.pipeline.options import BuildOptions
from tinygen.pipeline.stages import Stages
from tinygen.pipeline.verifying import Verified
from tinygen.report import (
    BuildReport,
    CompressionReport,
    FlashReport,
    LayerReport,
    ModelReport,
    RamReport,
    ValidationReport,
)

__all__ = ["build_report", "layer_reports", "validation_report"]

_LARGEST_SYMBOLS = 12


def build_report(
    options: BuildOptions,
    compiled: Compiled,
    board: Board,
    firmware: BuildResult,
    budget: Budget,
    vectors: Vectors,
    verified: Verified | None,
    judged: Judgement,
    latency: Latency | None,
    stages: Stages,
    out: Path,
) -> BuildReport:
    """The report of a build that succeeded."""
    compressed = compiled.loaded.compressed
    return BuildReport(
        name=compiled.interface.name,
        board=board.name,
        runtime=options.runtime,
        status="ok",
        model=ModelReport(compiled.loaded.sha256, compiled.op_counts, compiled.macs, compiled.live_macs),
        flash=_flash(firmware, budget),
        ram=RamReport(
            total=budget.ram_bytes,
            limit=budget.ram_limit,
            arena=budget.arena_bytes,
            static=budget.static_bytes,
            stack=budget.stack_bytes,
            arena_bound=compiled.memory.bound if options.runtime == "aot" else 0,
            arena_optimal=compiled.memory.optimal and options.runtime == "aot",
        ),
        validation=validation_report(vectors, verified, latency),
        accuracy=judged.accuracy,
        metric=judged.metric,
        metrics=judged.metrics,
        # The interpreter runs the operators of the file, and nothing measures each of them.
        layers=layer_reports(compiled, verified, latency) if options.runtime == "aot" else (),
        stages=tuple(stages.done),
        notes=(
            *_notes(compiled, vectors, verified),
            *_tool_notes(board, firmware, verified),
            *_latency_notes(latency),
            *_runtime_notes(options, compiled, firmware),
        ),
        output=str(out),
        optimize=options.model.mode.value,
        toolchain=firmware.compiler,
        compression=None if compressed is None else CompressionReport.of(compressed.log),
    )


def _flash(firmware: BuildResult, budget: Budget) -> FlashReport:
    parts = firmware.sizes.flash_parts
    named = {key: parts.get(key, 0) for key in ("weights", "kernels", "generated")}
    return FlashReport(
        total=budget.flash_bytes,
        limit=budget.flash_limit,
        **named,
        other=budget.flash_bytes - sum(named.values()),
        runtime=parts.get("runtime", 0),
        libc=parts.get("c_library", 0),
        application=parts.get("application", 0),
        largest=tuple((s.name, s.bytes) for s in firmware.sizes.largest("flash", _LARGEST_SYMBOLS)),
    )


def validation_report(vectors: Vectors, verified: Verified | None, latency: Latency | None = None) -> ValidationReport:
    """What a run says; zeros if there was none."""
    if verified is None:
        return ValidationReport("", 0, 0, False, 0, vectors_from=vectors.origin)
    ticks, unit = verified.run.ticks_per_inference, verified.run.ticks_unit
    report = ValidationReport(
        emulator=verified.run.emulator,
        emulator_version=verified.run.emulator_version,
        vectors=len(verified.run.vectors),
        vectors_from=vectors.origin,
        mismatches=len(verified.mismatches),
        bit_exact=not verified.mismatches,
        instructions_per_inference=ticks if unit == "instructions" else 0,
        ticks_per_inference=ticks,
        ticks_unit=unit,
    )
    if latency is None or latency.estimate is None:
        return report
    cycles, energy = latency.estimate.cycles, latency.millijoules
    return replace(
        report,
        cycles_per_inference={
            "low": round(cycles.low),
            "estimate": round(cycles.estimate),
            "high": round(cycles.high),
        },
        latency_ms=_significant(latency.milliseconds.estimate),
        energy_mj=None if energy is None else _significant(energy),
        clock_hz=latency.board.cpu.clock_hz,
        cycles_source=latency.estimate.core.source,
    )


def _significant(value: float) -> float:
    """Three digits: more would be pretence."""
    return float(f"{value:.3g}")


def layer_reports(
    compiled: Compiled, verified: Verified | None = None, latency: Latency | None = None
) -> tuple[LayerReport, ...]:
    """One entry for each operator of the optimized graph; instructions and cycles only from a run."""
    by_op = latency.by_op if latency else {}
    stored = _stored_bytes(compiled)
    scratch: dict[int, int] = {}
    for call in compiled.choice.program.calls:
        scratch[call.op] = max(scratch.get(call.op, 0), call.scratch_bytes)
    return tuple(
        LayerReport(
            index=op.index,
            op=op.kind,
            name=compiled.graph.output(op).name,
            macs=live_operator(op).macs(op, compiled.graph),
            weights_bytes=stored.get(op.index, 0) if live_operator(op).weights_bytes(op, compiled.graph) else 0,
            instructions=verified.ticks_by_op.get(op.index, 0) if verified else 0,
            form=compiled.choice.forms.get(op.index, ""),
            reason=compiled.choice.reasons.get(op.index, ""),
            scratch_bytes=scratch.get(op.index, 0),
            cycles=round(by_op[op.index].estimate) if op.index in by_op else 0,
        )
        for op in compiled.graph.ops
    )


def _stored_bytes(compiled: Compiled) -> dict[int, int]:
    """Bytes of flash that each operator's weights, biases and factors take in their form."""
    arrays: dict[int, dict[bytes, int]] = {}
    for call in compiled.choice.program.calls:
        found = arrays.setdefault(call.op, {})
        found.update((data.tobytes(), data.nbytes) for data in arrays_of(call.params))
    return {op: sum(found.values()) for op, found in arrays.items()}


def _notes(compiled: Compiled, vectors: Vectors, verified: Verified | None) -> tuple[str, ...]:
    notes = list(compiled.loaded.notes)
    if verified is not None and vectors.origin == "random":
        notes.append("No --data was given: the vectors are random, and accuracy was not measured.")
    if verified is None:
        notes.append("The firmware was not run: nothing is verified, and RAM lacks the stack.")
    return tuple(notes)


def _tool_notes(board: Board, firmware: BuildResult, verified: Verified | None) -> Iterator[str]:
    """What was used in place of the tools that figures are usually measured with."""
    if firmware.compiler.startswith("zig"):
        gcc = f"{board.cpu.toolchain}-gcc"
        yield f"Compiled by {firmware.compiler}, not by {gcc}: sizes and instruction counts are this compiler's."
    if verified is not None and verified.run.emulator == "unicorn":
        unicorn = verified.run.emulator_version
        yield f"Run in {unicorn}: it executes every instruction; of the chip it has memory, UART and a counter only."


def _latency_notes(latency: Latency | None) -> tuple[str, ...]:
    if latency is None:
        return ()
    if latency.estimate is None:
        return (f"Cycles were not estimated: {latency.reason}.",)
    if latency.millijoules is None:
        return (f"Energy was not estimated: the file of {latency.board.name} names no current.",)
    return ()


def _runtime_notes(options: BuildOptions, compiled: Compiled, firmware: BuildResult) -> tuple[str, ...]:
    if options.runtime == "aot":
        return (
            "tflm/ holds the bytes that TensorFlow Lite Micro's reference interpreter ran, and registers exactly their "
            f"{len(compiled.op_counts)} kinds of operators. It was not linked; --runtime tflm --tflm DIR does that.",
        )
    return (*firmware.notes, f"TensorFlow Lite Micro's arena: {compiled.arena.bytes:,} bytes. {compiled.arena.comment}")
