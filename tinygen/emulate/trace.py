"""Which blocks of instructions an image really ran, in their order, from QEMU's log.

``-d exec,nochain`` writes a line whenever a translated block begins. A block is a straight run of
instructions; where it ends follows from its own instructions and from the block after it (``blocks.py``), so
the log's one number, the address, is enough, and nothing depends on QEMU's disassembler. The log comes
through a pipe and is cut down to four bytes a block: it never touches a disk.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import selectors
import time
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import numpy as np
from numpy.typing import NDArray

from tinygen.board import Board, Qemu
from tinygen.emulate.qemu import find_program, qemu_command
from tinygen.emulate.runner import POLL_SECONDS, started
from tinygen.emulate.session import Session
from tinygen.emulate.tg import LineSplitter
from tinygen.emulate.vectors import Batch, write_batch
from tinygen.errors import InternalError
from tinygen.ir import ModelInterface

__all__ = ["Ranges", "Registers", "Samples", "sample_registers", "trace_blocks"]

Registers = tuple[int, ...]
Ranges = Sequence[tuple[int, int]]
_BLOCK = re.compile(rb"^Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/", re.MULTILINE)
_STOPPED = b"Stopped execution"
_REGISTERS = re.compile(rb"[^\n]*\n" + rb"\s*R\d\d=([0-9a-f]{8})" * 16)
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Samples:
    """Registers before and after the first execution of each block, by the block's address."""

    before: Mapping[int, Registers]
    after: Mapping[int, Registers]


class _Numbers(dict[bytes, int]):
    """Hexadecimal text -> number; the same few texts come again and again."""

    def __missing__(self, text: bytes) -> int:
        number = self[text] = int(text, 16)
        return number


@dataclass(slots=True)
class _BlockLog:
    """The addresses of blocks, in their order."""

    blocks: array[int] = field(default_factory=lambda: array("I"))
    _numbers: _Numbers = field(default_factory=_Numbers)

    def take(self, lines: bytes) -> None:
        """Take whole lines. A block that was stopped before it began did not run."""
        for i, part in enumerate(lines.split(_STOPPED) if _STOPPED in lines else [lines]):
            if i and self.blocks:
                self.blocks.pop()
            self.blocks.extend(map(self._numbers.__getitem__, _BLOCK.findall(part)))


@dataclass(slots=True)
class _StateLog:
    """Registers at the beginning of blocks.

    QEMU logs a block at least the first time, and what runs after that first time as well: only later are
    the two joined and the log passed over.
    """

    before: dict[int, Registers] = field(default_factory=dict)
    after: dict[int, Registers] = field(default_factory=dict)
    _last: int | None = None
    _numbers: _Numbers = field(default_factory=_Numbers)

    def take(self, lines: bytes) -> None:
        """Take whole records."""
        for found in _BLOCK.finditer(lines):
            block = self._numbers[found[1]]
            new = block not in self.before
            if self._last is None and not new:
                continue
            state = _REGISTERS.match(lines, found.end())
            if state is None:
                continue
            registers = tuple(int(text, 16) for text in state.groups())
            if self._last is not None:
                self.after[self._last] = registers
            self._last = block if new else None
            if new:
                self.before[block] = registers


def trace_blocks(
    board: Board, elf: Path, model: ModelInterface, vector: bytes, ranges: Ranges, seconds: float
) -> NDArray[np.uint32]:
    """Addresses of all blocks that an image runs on one vector, from reset to its last line.

    Args:
        ranges: first and last addresses of the code that is looked at.
        seconds: the longest silence of the UART; logging makes a run some twenty times slower.

    Raises:
        MismatchError, ToolError: as in ``runner.run_vectors``.
    """
    log = _BlockLog()
    with TemporaryDirectory(prefix="tinygen-trace-") as folder:
        image = Path(folder) / elf.name
        batch = Batch((vector,))
        write_batch(elf, batch, image)
        _run(board, image, Session(model, batch, image), ("exec,nochain", ranges), b"\n", log, seconds)
    return np.frombuffer(log.blocks, np.uint32).copy()


def sample_registers(board: Board, elf: Path, model: ModelInterface, ranges: Ranges, seconds: float) -> Samples:
    """Registers around the first execution of each block, while the application part of an image runs.

    Raises:
        MismatchError, ToolError: as in ``runner.run_vectors``.
    """
    log = _StateLog()
    with TemporaryDirectory(prefix="tinygen-trace-") as folder:
        image = Path(folder) / elf.name
        write_batch(elf, Batch(()), image)
        _run(board, image, Session(model, Batch(()), image), ("exec,cpu", ranges), b"\nTrace ", log, seconds)
    return Samples(log.before, log.after)


def _run(
    board: Board,
    elf: Path,
    session: Session,
    what: tuple[str, Ranges],
    separator: bytes,
    log: _BlockLog | _StateLog,
    seconds: float,
) -> None:
    """Run an image to its end; what QEMU logs of ``what`` goes to ``log``, record by record."""
    assert isinstance(board.qemu, Qemu)
    command = qemu_command(board.qemu, find_program(board), str(elf), counted=False)
    items, ranges = what
    command += ["-d", items, "-D", "/dev/stderr", "-dfilter", ",".join(f"{a:#x}..{b:#x}" for a, b in ranges)]
    deadline = time.monotonic() + seconds
    splitter = LineSplitter()
    with (
        _reading(separator, log) as errors,
        started(command, errors.writer) as process,
    ):
        assert process.stdout is not None
        errors.close_writer()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not session.finished:
                if time.monotonic() > deadline:
                    raise session.explain_timeout(seconds)
                if not selector.select(POLL_SECONDS):
                    continue
                chunk = os.read(process.stdout.fileno(), 1 << 16)
                if not chunk:
                    raise session.explain_death(f"QEMU ended with status {process.wait()}", ())
                for line in splitter.feed(chunk):
                    if not session.finished:
                        session.feed(line)
                deadline = time.monotonic() + seconds


@dataclass(slots=True)
class _Pipe:
    """The writing end of a pipe, owned by this process until a child has it."""

    writer: int

    def close_writer(self) -> None:
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1


@contextlib.contextmanager
def _reading(separator: bytes, log: _BlockLog | _StateLog) -> Iterator[_Pipe]:
    """A pipe that a thread empties into ``log``; when the block is left, all that was written has been read.

    Raises:
        InternalError: the log could not be read.
    """
    reader, writer = os.pipe()
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _CHUNK)
    pipe = _Pipe(writer)

    failures: list[Exception] = []

    def drain() -> None:
        rest = b""
        while chunk := os.read(reader, _CHUNK):
            if failures:  # go on reading all the same: a full pipe would stop the emulator
                continue
            rest += chunk
            end = rest.rfind(separator) + 1
            try:
                log.take(rest[:end])
            except Exception as error:
                failures.append(error)
            rest = rest[end:]

    thread = Thread(target=drain, daemon=True)
    thread.start()
    try:
        yield pipe
    finally:
        pipe.close_writer()
        thread.join()
        os.close(reader)
    if failures:
        raise InternalError(f"QEMU's log can't be read: {failures[0]}") from failures[0]
