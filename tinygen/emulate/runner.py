"""Running a validation image on an emulator: batches, time limits, and one result for all of them.

However a run goes wrong, it ends within its time limit with an error of its own: a silent UART, a hang,
a fault, a stack overflow, an emulator that died, a line that breaks the protocol.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, Protocol

from tinygen.board import Board, TicksUnit
from tinygen.emulate.session import LayerResult, Session, VectorResult
from tinygen.emulate.tg import LineSplitter
from tinygen.emulate.vectors import Batch, batches, write_batch
from tinygen.errors import ToolError
from tinygen.ir import ModelInterface

__all__ = ["Emulator", "LayerResult", "RunResult", "VectorResult", "follow", "run_vectors", "started"]

DEFAULT_SECONDS = 120.0
# How soon a run that is to stop takes notice.
POLL_SECONDS = 0.2


class Emulator(Protocol):
    """Something that runs an image and hands over what its UART says."""

    @property
    def name(self) -> str:
        """Its name as users write it."""

    @property
    def version(self) -> str:
        """What it says of itself, one line."""

    @property
    def ticks(self) -> TicksUnit:
        """What a tick means on it."""

    @property
    def instructions_hz(self) -> int:
        """Instructions in a second of its virtual time; 0 if that is not fixed."""

    def run(self, board: Board, elf: Path, session: Session, seconds: float) -> None:
        """Run one image until the session is finished.

        Raises:
            MismatchError: the firmware faulted or hangs.
            ToolError: the emulator or the UART failed.
        """


@dataclass(frozen=True, slots=True)
class RunResult:
    """What the board answered.

    Attributes:
        emulator, emulator_version: who ran it.
        ticks_unit: what a tick is: an instruction, a cycle, or the given part of a second. Where the emulator's
            time is made of instructions, so is that part, and the vectors' ticks are instructions.
        ticks_source: the counter that the firmware chose.
        ticks_hz: its nominal frequency.
        vectors: one for each vector given, in their order.
        stack_bytes: high-water mark of the application's stack.
        uart_log: all lines, noise included.
        seconds: of the host's time.
    """

    emulator: str
    emulator_version: str
    ticks_unit: TicksUnit
    ticks_source: str
    ticks_hz: int
    vectors: tuple[VectorResult, ...]
    stack_bytes: int
    uart_log: str
    seconds: float

    @property
    def outputs(self) -> tuple[tuple[bytes, ...], ...]:
        """Outputs of each vector, in the model's order."""
        return tuple(vector.outputs for vector in self.vectors)

    @property
    def ticks_per_inference(self) -> int:
        """The median over the vectors; 0 without a counter."""
        ticks = sorted(vector.ticks for vector in self.vectors)
        return ticks[len(ticks) // 2] if ticks else 0


def run_vectors(
    emulator: Emulator,
    board: Board,
    elf: Path,
    model: ModelInterface,
    vectors: Sequence[bytes],
    *,
    layers: bool = False,
    data_op: int | None = None,
    seconds: float = DEFAULT_SECONDS,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> RunResult:
    """Run vectors on a validation or profile image, in as many batches as its flash asks for.

    Args:
        elf: the image; it is not changed.
        vectors: the inputs of each vector, one input after the other, as bytes.
        layers: with a profile image, ask for a line for each operator.
        data_op: with a profile image, the operator whose whole output is wanted, or ``vectors.ALL_OPS``.
        seconds: the longest that the board may be silent; an inference has to end within it.
        jobs: how many emulators run at once; more than one cuts the vectors into at least as many batches.
        progress: called with the number of vectors done and of all, after each batch.

    Raises:
        MismatchError: the firmware faulted, overflowed its stack or hangs.
        ToolError: the emulator is missing or failed, the UART is silent or broke the protocol.
        BudgetError: not even one vector fits into flash.
    """
    if not vectors:
        raise ValueError("no vectors to run")
    begun = time.monotonic()
    parts = list(_batches(elf, vectors, layers, data_op, jobs))
    with TemporaryDirectory(prefix="tinygen-run-") as folder:
        images = [Path(folder) / f"{number}-{elf.name}" for number in range(len(parts))]
        sessions = [Session(model, part, image) for part, image in zip(parts, images, strict=True)]

        def run_one(number: int) -> None:
            write_batch(elf, parts[number], images[number])
            emulator.run(board, images[number], sessions[number], seconds)

        with ThreadPoolExecutor(max(jobs, 1)) as pool:
            futures = {pool.submit(run_one, number): number for number in range(len(parts))}
            done = 0
            try:
                for future in as_completed(futures):
                    future.result()
                    done += len(parts[futures[future]].vectors)
                    if progress is not None:
                        progress(done, len(vectors))
            except BaseException:  # an error or Ctrl-C: the other emulators must not run on
                for session in sessions:
                    session.cancelled = True
                pool.shutdown(wait=True, cancel_futures=True)
                raise
    return _result(emulator, sessions, time.monotonic() - begun)


def _batches(elf: Path, vectors: Sequence[bytes], layers: bool, data_op: int | None, jobs: int) -> Iterator[Batch]:
    """Batches that fit, and enough of them to keep all jobs busy."""
    share = -(-len(vectors) // max(jobs, 1))
    for first in range(0, len(vectors), share):
        for batch in batches(elf, vectors[first : first + share], layers=layers, data_op=data_op):
            yield Batch(batch.vectors, first + batch.first_index, batch.layers, batch.data_op)


def _result(emulator: Emulator, sessions: Sequence[Session], seconds: float) -> RunResult:
    info = sessions[0].info
    ticks_hz = int(info.get("ticks_hz", "0"))
    unit, instructions_hz = emulator.ticks, 0
    if unit == "time" and ticks_hz and emulator.instructions_hz:
        unit, instructions_hz = "instructions", emulator.instructions_hz
    vectors = (vector for session in sessions for vector in session.vectors)
    return RunResult(
        emulator=emulator.name,
        emulator_version=emulator.version,
        ticks_unit=unit,
        ticks_source=info.get("ticks", "none"),
        ticks_hz=ticks_hz,
        vectors=tuple(_in_instructions(v, instructions_hz, ticks_hz) if instructions_hz else v for v in vectors),
        stack_bytes=max(session.stack_bytes for session in sessions),
        uart_log="".join(f"{line}\n" for session in sessions for line in session.lines),
        seconds=seconds,
    )


def _in_instructions(vector: VectorResult, instructions_hz: int, ticks_hz: int) -> VectorResult:
    """The same result with ticks of ``1 / ticks_hz`` seconds counted as instructions."""

    def convert(ticks: int) -> int:
        return round(ticks * instructions_hz / ticks_hz)

    layers = tuple(replace(layer, ticks=convert(layer.ticks)) for layer in vector.layers)
    return replace(vector, ticks=convert(vector.ticks), layers=layers)


def follow(command: Sequence[str], session: Session, seconds: float, name: str) -> None:
    """Start an emulator and feed what it prints to a session until that is finished; then end it.

    Args:
        seconds: the longest silence between two TG lines; other text does not count, and the number of
            TG lines in a run is bounded.
        name: what messages call the emulator.

    Raises:
        MismatchError, ToolError: from the session, or because time ran out or the process died.
    """
    deadline = time.monotonic() + seconds
    splitter = LineSplitter()
    with TemporaryFile() as errors, started(command, errors) as process, selectors.DefaultSelector() as selector:
        assert process.stdout is not None
        selector.register(process.stdout, selectors.EVENT_READ)
        while not session.finished:
            session.raise_if_cancelled()
            left = deadline - time.monotonic()
            if left <= 0:
                raise session.explain_timeout(seconds)
            if not selector.select(min(left, POLL_SECONDS)):
                continue
            chunk = os.read(process.stdout.fileno(), 1 << 16)
            if not chunk:
                status = process.wait()
                errors.seek(0)
                lines = errors.read(1 << 16).decode(errors="replace").splitlines()
                raise session.explain_death(f"{name} ended with status {status}", lines)
            if _feed(session, splitter.feed(chunk)):
                deadline = time.monotonic() + seconds


def _feed(session: Session, lines: Sequence[str]) -> bool:
    """Feed lines up to the end of the run; whether there were TG lines among them."""
    events = session.events
    for line in lines:
        if session.finished:
            break
        session.feed(line)
    return session.events > events


@contextlib.contextmanager
def started(
    command: Sequence[str], errors: IO[bytes] | int, cwd: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """An emulator in a process group of its own, ended with all that it started however the block is left.

    Args:
        errors: where its error output goes; a file rather than a pipe that nobody empties.

    Raises:
        ToolError: it can't be started.
    """
    with _guard() as group:
        try:
            process = subprocess.Popen(
                command,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                process_group=group,
            )
        except OSError as error:
            raise ToolError(f"{command[0]} can't be started: {error.strerror}") from error
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


@contextlib.contextmanager
def _guard() -> Iterator[int]:
    """A process group with a shell in it that kills all of it when we die, even of SIGKILL.

    The shell waits for the end of its input, a pipe whose other end only this process has. It is there before the
    emulator, so that there is no moment without it. Linux could signal the emulator alone; but Renode's test runner
    starts others, which would live on.
    """
    shell = subprocess.Popen(
        ["/bin/sh", "-c", "read -r _; kill -KILL 0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
    try:
        yield shell.pid
    finally:
        shell.communicate()
