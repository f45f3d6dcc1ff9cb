"""How long an inference takes on the board, and what energy it costs: estimates, and the user's limit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinygen.board import Board
from tinygen.emulate import Emulator, SerialBoard
from tinygen.emulate.cycles import CycleEstimate, can_estimate, estimate_cycles
from tinygen.emulate.timing import Cycles
from tinygen.errors import BudgetError, InternalError, OptionError, TinygenError
from tinygen.load.vectors import Vectors
from tinygen.pipeline.options import BuildOptions
from tinygen.pipeline.stages import Stages
from tinygen.pipeline.verifying import Subject, Verified

__all__ = ["Latency", "check_latency", "check_latency_options", "estimate_latency"]

# Longer inferences are traced only when asked for: a million instructions take a few tenths of a second.
_UNASKED_INSTRUCTIONS = 20_000_000
# Probes need a few instructions that the counter does not see.
_SLACK_INSTRUCTIONS = 2_000
_SHOWN_LAYERS = 5


@dataclass(frozen=True, slots=True)
class Latency:
    """What an inference is estimated to take.

    Attributes:
        estimate: the cycles; ``None`` where they could not be estimated, for ``reason``.
        by_op: cycles of each operator; empty if they were not told apart.
        kinds: what the operators are.
    """

    board: Board
    estimate: CycleEstimate | None
    by_op: dict[int, Cycles]
    kinds: dict[int, str]
    reason: str = ""

    @property
    def milliseconds(self) -> Cycles:
        """At the board's clock."""
        cycles = self.estimate.cycles if self.estimate else Cycles()
        return cycles * (1e3 / self.board.cpu.clock_hz)

    @property
    def millijoules(self) -> float | None:
        """By the board's current; ``None`` if its file names none."""
        if self.estimate is None or self.board.power is None:
            return None
        return self.board.power.millijoules(self.estimate.cycles.estimate, self.board.cpu.clock_hz)


def check_latency_options(options: BuildOptions, board: Board) -> None:
    """Refuse options that can't be met, before any work.

    Raises:
        OptionError: cycles are asked for where none can be estimated.
    """
    if options.latency_ms is None and not options.cycles:
        return
    option = "--latency" if options.latency_ms is not None else "--cycles"
    if not options.validate:
        raise OptionError(f"{option} needs a run of the firmware, which --no-validate forbids")
    if options.latency_ms is not None and options.cycles is False:
        raise OptionError("--latency needs the cycles that --no-cycles leaves out")
    if not can_estimate(board):
        raise OptionError(
            f"{option}: the cycles of {board.name} can't be estimated",
            hint="That needs QEMU to know the board, and a table for its core in boards/timing.",
        )


def estimate_latency(
    options: BuildOptions, subject: Subject, vectors: Vectors, verified: Verified, emulator: Emulator, stages: Stages
) -> Latency | None:
    """Estimate the cycles of an inference on the first vector.

    Returns:
        ``None`` if the user does not want it, or a real board counted by itself; without an estimate, but with the
        reason, if nobody asked for it and it can't be done or would take long.

    Raises:
        TinygenError: the user asked for it, and it failed.
    """
    asked = bool(options.cycles or options.latency_ms is not None)
    board = subject.board
    if options.cycles is False or (emulator.name == SerialBoard.name and not asked):
        return None
    reason = "" if asked else _why_not(board, emulator, verified.run.ticks_per_inference)
    if reason:
        return Latency(board, None, {}, {}, reason)
    try:
        with stages.stage("cycles", "tracing the inference for its cycles"):
            return _estimate(options, subject, vectors, verified)
    except TinygenError as error:
        if asked:
            raise
        return Latency(board, None, {}, {}, error.message)


def _why_not(board: Board, emulator: Emulator, count: int) -> str:
    """Why an inference of so many instructions is not traced unasked; empty if it is."""
    if board.qemu is None:
        return f"they are traced in QEMU, which does not know the board {board.name}"
    if not can_estimate(board):
        return f"there is no table of the cycles of {board.name}'s core, {board.cpu.core}"
    if emulator.name != "qemu":
        return f"they are traced in QEMU, and this run was in {emulator.name}; --cycles does it"
    if count > _UNASKED_INSTRUCTIONS:
        return f"an inference of {count:,} instructions takes long to trace; --cycles does it"
    return ""


def check_latency(latency: Latency | None, limit_ms: float | None) -> None:
    """Compare the estimate with the user's limit.

    Raises:
        BudgetError: it is above; the details are the slowest layers.
    """
    if limit_ms is None or latency is None or latency.estimate is None:
        return
    milliseconds = latency.milliseconds
    if milliseconds.estimate <= limit_ms:
        return
    to_ms = 1e3 / latency.board.cpu.clock_hz
    slowest = sorted(latency.by_op.items(), key=lambda item: -item[1].estimate)[:_SHOWN_LAYERS]
    raise BudgetError(
        f"the inference takes too long: about {milliseconds.estimate:.3g} of {limit_ms:g} ms "
        f"(estimated: {milliseconds.low:.3g} to {milliseconds.high:.3g} ms at "
        f"{latency.board.cpu.clock_hz / 1e6:g} MHz)",
        details=[f"op {op} ({latency.kinds[op]}): about {cycles.estimate * to_ms:.3g} ms" for op, cycles in slowest],
        hint="--optimize speed, a smaller model, or a faster board.",
    )


def _estimate(options: BuildOptions, subject: Subject, vectors: Vectors, verified: Verified) -> Latency:
    elf = subject.profile_elf or subject.validate_elf
    payload = b"".join(_bytes(x) for x in vectors.inputs[0])
    estimate = estimate_cycles(subject.board, elf, subject.interface, payload, seconds=options.run.time_limit)
    _check_count(estimate.instructions, verified)
    by_op: dict[int, Cycles] = {}
    if len(verified.profiled_ops) == len(estimate.sections):
        for op, cycles in zip(verified.profiled_ops, estimate.sections, strict=True):
            by_op[op] = by_op.get(op, Cycles()) + cycles
    return Latency(subject.board, estimate, by_op, {op.index: op.kind for op in subject.graph.ops})


def _check_count(instructions: int, verified: Verified) -> None:
    """The trace and the board's counter have to agree: the one checks the other."""
    run = verified.run
    if run.ticks_unit != "instructions" or not run.vectors[0].ticks:
        return
    counted = run.vectors[0].ticks
    if abs(instructions - counted) > _SLACK_INSTRUCTIONS:
        raise InternalError(f"the trace has {instructions:,} instructions, the board counted {counted:,}")


def _bytes(array: NDArray[np.generic]) -> bytes:
    return np.ascontiguousarray(array).tobytes()
