"""Run firmware, and hold what it says against the reference interpreter."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.board import Board
from tinygen.emulate import Emulator, QemuEmulator, RenodeEmulator, RunResult, SerialBoard, UnicornEmulator, run_vectors
from tinygen.emulate.unicorn import has_unicorn
from tinygen.emulate.vectors import ALL_OPS
from tinygen.emulate.verdict import Divergence, differing_vectors, first_divergence
from tinygen.errors import MismatchError, OptionError
from tinygen.ir import Array, Graph, ModelInterface
from tinygen.load.vectors import Vectors
from tinygen.oracle import reference_outputs, reference_tensors
from tinygen.pipeline.options import RunOptions
from tinygen.pipeline.stages import Stages

__all__ = ["Subject", "Verified", "pick_emulator", "raise_on_mismatch", "verify"]

_EMULATORS: dict[str, Callable[[Board], Emulator]] = {
    "qemu": QemuEmulator,
    "renode": RenodeEmulator,
    "unicorn": UnicornEmulator,
}
_PROGRAMS = {"renode": "renode-test"}
_JOBS = 2


@dataclass(frozen=True, slots=True)
class Subject:
    """Firmware that is to be verified.

    Attributes:
        flatbuffer: the model as the reference interpreter runs it.
        graph: what the firmware runs, after the exact passes.
    """

    board: Board
    interface: ModelInterface
    graph: Graph
    flatbuffer: bytes
    file: str
    validate_elf: Path
    profile_elf: Path | None


@dataclass(frozen=True, slots=True, eq=False)
class Verified:
    """What came of it.

    Attributes:
        expected: the reference's outputs for each vector.
        mismatches: positions of the vectors that differ.
        ticks_by_op: ticks of each operator in one inference; empty without a profile image.
        profiled_ops: the operator before each probe, in the order of execution.
    """

    run: RunResult
    expected: tuple[tuple[Array, ...], ...]
    mismatches: tuple[int, ...]
    divergence: Divergence | None
    ticks_by_op: dict[int, int]
    profiled_ops: tuple[int, ...] = ()


def pick_emulator(board: Board, run: RunOptions, notify: Callable[[str], None] = lambda text: None) -> Emulator:
    """The emulator asked for, or the first that knows the board and is installed; or the board itself.

    Args:
        notify: called with what a person has to do to a real board.

    Raises:
        OptionError: no emulator knows the board.
        ToolError: the one that is needed is not installed.
    """
    name = run.emulator
    if name == SerialBoard.name:
        return SerialBoard(board, run.port, run.baud, notify)
    if run.port is not None or run.baud is not None:
        raise OptionError("--port and --baud are a real board's: they need --emulator serial")
    if name is not None:
        return _EMULATORS[name](board)
    programs = {"qemu": board.qemu.program if board.qemu else "", **_PROGRAMS}
    known = list(board.emulators)
    if not known:
        raise OptionError(
            f"no emulator knows the board {board.name}", hint="Pass --no-validate to build for it all the same."
        )
    installed = [e for e in known if (has_unicorn() if e == "unicorn" else shutil.which(programs[e]))]
    return _EMULATORS[(installed or known)[0]](board)


def verify(subject: Subject, vectors: Vectors, emulator: Emulator, seconds: float, stages: Stages) -> Verified:
    """Run all vectors on the emulator, compare every output bit, and measure each layer on one vector."""
    with stages.stage("reference", f"running {len(vectors.inputs)} vectors through the reference"):
        expected = reference_outputs(subject.flatbuffer, vectors.inputs, name=subject.file)
    with stages.stage("emulate", f"running {len(vectors.inputs)} vectors on {emulator.name}"):
        payload = [_payload(vector) for vector in vectors.inputs]

        def progress(done: int, total: int) -> None:
            stages.progress(f"{emulator.name}: {done} of {total} vectors")

        run = run_vectors(
            emulator,
            subject.board,
            subject.validate_elf,
            subject.interface,
            payload,
            seconds=seconds,
            jobs=_JOBS if len(payload) > 2 * _JOBS and emulator.name != SerialBoard.name else 1,
            progress=progress,
        )
        wrong = differing_vectors(run.vectors, expected)
    divergence = None
    ticks_by_op: dict[int, int] = {}
    profiled_ops: tuple[int, ...] = ()
    if subject.profile_elf is not None:
        with stages.stage("profile", f"measuring each layer on {emulator.name}"):
            vector = wrong[0] if wrong else 0
            profiled = run_vectors(
                emulator,
                subject.board,
                subject.profile_elf,
                subject.interface,
                [payload[vector]],
                layers=True,
                data_op=ALL_OPS if wrong else None,
                seconds=seconds,
            )
            layers = profiled.vectors[0].layers
            profiled_ops = tuple(layer.op for layer in layers)
            for layer in layers:
                ticks_by_op[layer.op] = ticks_by_op.get(layer.op, 0) + layer.ticks
            if wrong:
                reference = reference_tensors(subject.flatbuffer, vectors.inputs[vector], name=subject.file)
                divergence = first_divergence(subject.graph, vector, layers, reference)
    return Verified(run, tuple(expected), tuple(wrong), divergence, ticks_by_op, profiled_ops)


def raise_on_mismatch(verified: Verified, subject: Subject) -> None:
    """End with exit code 4 if any output bit differs.

    Raises:
        MismatchError: names the first layer that differs, if it was found.
    """
    if not verified.mismatches:
        return
    total = len(verified.run.vectors)
    vector = verified.mismatches[0]
    details = [str(verified.divergence)] if verified.divergence else list(_output_lines(verified, vector))
    raise MismatchError(
        f"{len(verified.mismatches)} of {total} vectors differ from the reference on {verified.run.emulator}",
        details=details,
        hint=f"{subject.file} and the data that show it are worth a bug report.",
    )


def _output_lines(verified: Verified, vector: int) -> Sequence[str]:
    board = verified.run.vectors[vector].outputs
    lines = []
    for i, (got, expected) in enumerate(zip(board, verified.expected[vector], strict=True)):
        lines.append(f"vector {vector}, output {i}, board:     {got[:32].hex()}")
        lines.append(f"vector {vector}, output {i}, reference: {np.ascontiguousarray(expected).tobytes()[:32].hex()}")
    return lines


def _payload(vector: tuple[NDArray[Any], ...]) -> bytes:
    return b"".join(np.ascontiguousarray(x).tobytes() for x in vector)
