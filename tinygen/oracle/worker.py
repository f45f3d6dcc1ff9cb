"""The child process of ``tinygen.oracle.child``: ``python -m tinygen.oracle.worker DIR``.

Reads ``DIR/model.tflite``, ``DIR/request.json`` and ``DIR/inputs.npz``; writes ``DIR/outputs.npz`` and
exits with 0, or writes ``DIR/error.txt`` and exits with one of ``child.EXIT_CODES``. The only other lines on
stderr are the interpreter's own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from tinygen.errors import TinygenError
from tinygen.ir import Array
from tinygen.oracle.child import EXIT_CODES
from tinygen.oracle.interpreter import InProcessOracle

__all__ = ["main"]


def main(folder: Path) -> int:
    """Serve the request in ``folder`` and return the exit code."""
    try:
        np.savez(folder / "outputs.npz", **_serve(folder))  # type: ignore[arg-type]
    except TinygenError as error:
        (folder / "error.txt").write_text(error.message, encoding="utf-8")
        return next(code for code, kind in EXIT_CODES.items() if isinstance(error, kind))
    return 0


def _serve(folder: Path) -> dict[str, Array]:
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    with np.load(folder / "inputs.npz", allow_pickle=False) as stored:
        columns = [stored[f"input{i}"] for i in range(len(stored.files))]
    oracle = InProcessOracle(
        (folder / "model.tflite").read_bytes(),
        preserve_all=request["preserve_all"],
        arena_bytes=request["arena_bytes"],
    )
    outputs = [oracle.run(*vector) for vector in zip(*columns, strict=True)]
    if request["tensors"]:
        return {f"tensor{t}": value for t, value in oracle.tensors().items()}
    return {f"output{i}": np.stack(column) for i, column in enumerate(zip(*outputs, strict=True))}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
