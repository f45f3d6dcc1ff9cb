"""Calls single kernels with addresses that a test chooses, such as an output that overlaps its input.

The kernels are compiled for this machine as a shared library, once for a test session.
"""

from __future__ import annotations

import atexit
import ctypes
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.ir import SCRATCH, Call, Constant, Function, Param, Scratch
from tinygen.resources import FIRMWARE

__all__ = ["call_kernel"]

Bytes = NDArray[np.int8]


def call_kernel(call: Call, arguments: Sequence[Bytes]) -> None:
    """Run one call on arrays for its inputs and outputs, which may be views of one buffer.

    Scratch memory, where the call asks for it, is fresh and full of a pattern.
    """
    scratch = np.full(max(call.scratch_bytes, 1), 0x5A, np.int8)
    tensors = {v.tensor: a for v, a in zip((*call.inputs, *call.outputs), arguments, strict=True)}
    tensors[SCRATCH] = scratch
    for part in call.parts or (call,):
        if call.parts:
            arguments = [tensors[v.tensor][v.offset :] for v in (*part.inputs, *part.outputs)]
        pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in arguments]
        if part.scratch_bytes:
            pointers.append(scratch[part.scratch_offset :].ctypes.data_as(ctypes.c_void_p))
        kept: list[Any] = []
        if part.params:
            pointers.insert(0, ctypes.cast(ctypes.pointer(_struct(part.params, scratch, kept)), ctypes.c_void_p))
        getattr(_library(), part.kernel)(*pointers)


def _struct(params: Mapping[str, Param], scratch: Bytes, kept: list[Any]) -> ctypes.Structure:
    """A parameter struct with the fields of ``params``, in order; ``kept`` keeps its arrays alive."""
    values = {name: _value(value, scratch, kept) for name, value in params.items()}
    kind = type("Params", (ctypes.Structure,), {"_fields_": [(name, type(v)) for name, v in values.items()]})
    kept.append(struct := kind(*values.values()))
    return struct


def _value(value: Param, scratch: Bytes, kept: list[Any]) -> Any:
    if isinstance(value, Constant):
        kept.append(data := np.ascontiguousarray(value.data))
        return ctypes.c_void_p(data.ctypes.data if data.size else None)
    if isinstance(value, Function):
        return ctypes.cast(getattr(_library(), value.name), ctypes.c_void_p)
    if isinstance(value, Mapping):
        return _struct(value, scratch, kept)
    if isinstance(value, Scratch):
        return ctypes.c_void_p(scratch.ctypes.data + value.offset)
    if isinstance(value, np.integer):
        return np.ctypeslib.as_ctypes_type(value.dtype)(int(value))
    if isinstance(value, tuple):
        return (ctypes.c_int32 * len(value))(*value)
    return ctypes.c_float(value) if isinstance(value, float) else ctypes.c_int32(value)


@cache
def _library() -> ctypes.CDLL:
    folder = Path(mkdtemp(prefix="tinygen-native-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    sources = sorted(map(str, (FIRMWARE / "kernels").rglob("*.c")))
    library = folder / "kernels.so"
    include = f"-I{FIRMWARE / 'kernels'}"
    subprocess.run(
        ["gcc", "-std=c11", "-O1", "-shared", "-fPIC", include, *sources, "-o", str(library)], check=True, timeout=120
    )
    return ctypes.CDLL(str(library))
