"""The folder ``emulation/`` of a build: what was run, and how to run it again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from tinygen.board import Board
from tinygen.emulate.qemu import command_line
from tinygen.emulate.renode import renode_files
from tinygen.emulate.runner import RunResult
from tinygen.emulate.suite import suite_files
from tinygen.emulate.unicorn import command_line as unicorn_command_line
from tinygen.emulate.vectors import batches, write_batch
from tinygen.ir import Array, ModelInterface

__all__ = ["write_emulation"]

_QEMU_SCRIPT = """\
#!/bin/sh
# Runs the test vectors again. The firmware halts after "TG done": stop QEMU with Ctrl-C.
cd "$(dirname "$0")" && exec {command}
"""


_UNICORN_SCRIPT = """\
#!/bin/sh
# Runs the test vectors again, in an environment with tinygen[rootless].
cd "$(dirname "$0")" && exec {command}
"""


class _Vectors(Protocol):
    @property
    def inputs(self) -> Sequence[tuple[Array, ...]]: ...


class _Verified(Protocol):
    @property
    def run(self) -> RunResult: ...

    @property
    def expected(self) -> Sequence[tuple[Array, ...]]: ...


def write_emulation(
    folder: Path,
    board: Board,
    model: ModelInterface,
    validate_elf: Path,
    vectors: _Vectors,
    verified: _Verified,
) -> None:
    """Write scripts and log, and put the first batch of vectors into the validation image.

    Args:
        folder: created; ``validate_elf`` must lie in ``firmware`` beside it for the scripts to find it.
        vectors: ``inputs`` holds the arrays of each vector.
        verified: ``run`` is what came of them, ``expected`` what the reference says.
    """
    folder.mkdir(parents=True, exist_ok=True)
    payload = [_joined(vector) for vector in vectors.inputs]
    batch = next(batches(validate_elf, payload))
    write_batch(validate_elf, batch, validate_elf)
    elf = f"../{validate_elf.parent.name}/{validate_elf.name}"
    files = {"uart.log": verified.run.uart_log}
    if board.qemu is not None:
        files["qemu.sh"] = _QEMU_SCRIPT.format(command=command_line(board.qemu, elf))
    if verified.run.emulator == "unicorn":
        files["unicorn.sh"] = _UNICORN_SCRIPT.format(command=unicorn_command_line(board, elf))
    if board.renode is not None:
        files |= renode_files(board, model, elf)
    expected = [[_bytes(o) for o in outputs] for outputs in verified.expected[: len(batch.vectors)]]
    files |= suite_files(board, model, elf, expected)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
        if name.endswith(".sh"):
            (folder / name).chmod(0o755)


def _bytes(array: Array) -> bytes:
    return np.ascontiguousarray(array).tobytes()


def _joined(arrays: Sequence[Array]) -> bytes:
    return b"".join(_bytes(array) for array in arrays)
