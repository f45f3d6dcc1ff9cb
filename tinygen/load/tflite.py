"""A TensorFlow Lite flatbuffer becomes a ``Graph``, after it was checked.

Nothing in the file is believed: positions, lengths, indices, enum values and sizes are checked before they
are used. What is left to others: whether an operator and its attributes can be translated.

Format: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import tflite

from tinygen.errors import ModelError, UnsupportedError
from tinygen.ir import Array, DType, Graph, Op, Quantization, Tensor, problems
from tinygen.load.flatbuffer import Flatbuffer, FlatbufferError
from tinygen.load.tflite_options import enum_names, read_options

__all__ = ["read_graph"]

IDENTIFIER = b"TFL3"
SCHEMA_VERSION = 3
# The smallest flatbuffer is a root offset, the identifier, a vtable and a table.
MIN_BYTES = 16
# Orders of magnitude above what fits a microcontroller.
MAX_BYTES = 1 << 28
MAX_RANK = 8
MAX_PROBLEMS = 50
# TFLM's own extension: constants that its DECODE operator or its kernels expand. See compression/ in tflite-micro.
COMPRESSION_METADATA = "COMPRESSION_METADATA"

READ_ERRORS = (
    struct.error,
    IndexError,
    ValueError,
    TypeError,
    OverflowError,
    RecursionError,
    MemoryError,
)

DTYPES = {getattr(tflite.TensorType, dtype.name): dtype for dtype in DType}


def read_graph(data: bytes, *, source: str, name: str) -> Graph:
    """Read a model.

    Args:
        data: the flatbuffer.
        source: what messages call it, such as ``kws.tflite``.
        name: the graph's name.

    Returns:
        A graph without problems, its constants read-only views of ``data``.

    Raises:
        ModelError: truncated, hostile, not a .tflite file, or inconsistent.
        UnsupportedError: a sound model with element types or features that tinygen does not translate.
    """
    _check_header(data, source)
    try:
        graph = _Reader(data, source).graph(name)
    except READ_ERRORS as error:
        reason = str(error) or type(error).__name__
        raise ModelError(
            f"{source}: not a readable TensorFlow Lite flatbuffer: {reason}",
            hint="The file is damaged or was not written by the TensorFlow Lite converter. Convert the model again.",
        ) from error
    found = problems(graph)
    if found:
        message, details = _report(source, found, "inconsistencies")
        raise ModelError(message, details=details)
    return graph


def _check_header(data: bytes, source: str) -> None:
    if len(data) < MIN_BYTES:
        raise ModelError(f"{source}: {len(data)} bytes are too few for a TensorFlow Lite flatbuffer")
    if data[4:8] != IDENTIFIER:
        raise ModelError(
            f"{source}: not a TensorFlow Lite flatbuffer: bytes 4 to 7 are {data[4:8]!r}, not {IDENTIFIER!r}",
            hint="Pass a .tflite file, or a Keras model with its own ending (.keras, .h5, a SavedModel folder).",
        )
    if len(data) > MAX_BYTES:
        raise ModelError(f"{source}: {len(data)} bytes are far more than a microcontroller can hold")


class _Reader:
    """One pass over one file; ``unsupported`` collects what tinygen can't translate, one sentence each."""

    def __init__(self, data: bytes, source: str) -> None:
        self.file = Flatbuffer(data)
        self.source = source
        self.model = self.file.root(tflite.Model())
        self.unsupported: list[str] = []

    def graph(self, name: str) -> Graph:
        self._check_model()
        subgraph = self.file.checked(self.model.Subgraphs(0))
        tensors = tuple(self._tensor(i, t) for i, t in enumerate(self.file.tables(subgraph, "Tensors")))
        kinds = [self._kind(i, c) for i, c in enumerate(self.file.tables(self.model, "OperatorCodes"))]
        ops = tuple(self._op(i, o, kinds) for i, o in enumerate(self.file.tables(subgraph, "Operators")))
        inputs, outputs = (self.file.numbers(subgraph, field) for field in ("Inputs", "Outputs"))
        if len(set(inputs)) != len(inputs):
            raise FlatbufferError("a tensor is an input of the model twice")
        if self.unsupported:
            message, details = _report(self.source, self.unsupported, "things that tinygen does not translate")
            hint = "Convert the model with full integer quantization (int8) and a fixed batch of 1."
            raise UnsupportedError(message, hint=hint, details=details)
        return Graph(name=name, tensors=tensors, ops=ops, inputs=inputs, outputs=outputs)

    def _check_model(self) -> None:
        version = self.model.Version()
        if version != SCHEMA_VERSION:
            raise FlatbufferError(f"schema version {version}, where {SCHEMA_VERSION} is the only one known")
        subgraphs = self.model.SubgraphsLength()
        if subgraphs == 0:
            raise FlatbufferError("it has no subgraph")
        if subgraphs > 1:
            raise UnsupportedError(
                f"{self.source}: {subgraphs} subgraphs; only models with one can be translated",
                hint="Control flow (if, while) and several signatures make more. Export one plain inference function.",
            )
        for entry in self.file.tables(self.model, "Metadata"):
            if self.file.text(entry.Name()) == COMPRESSION_METADATA:
                self.unsupported.append(
                    "its constants are compressed for TensorFlow Lite Micro, which is not supported"
                )

    def _kind(self, index: int, code: Any) -> str:
        number = max(code.DeprecatedBuiltinCode(), code.BuiltinCode())
        kind = enum_names(tflite.BuiltinOperator).get(number)
        if kind is None:
            self.unsupported.append(
                f"operator code {index}: builtin operator {number} is unknown to this version of tinygen"
            )
            return f"UNKNOWN_{number}"
        if kind == "CUSTOM":
            return f"CUSTOM({self.file.text(code.CustomCode()) or 'unnamed'})"
        return kind

    def _op(self, index: int, operator: Any, kinds: Sequence[str]) -> Op:
        code = operator.OpcodeIndex()
        if not 0 <= code < len(kinds):
            raise FlatbufferError(f"op {index} has operator code {code}, of {len(kinds)}")
        kind = kinds[code]
        try:
            options = read_options(self.file, operator, kind)
        except FlatbufferError as error:
            raise FlatbufferError(f"op {index} ({kind}): {error}") from error
        # -1 stands for an input left out; other negative numbers stay, and the graph's check names them.
        inputs = tuple(None if t == -1 else t for t in self.file.numbers(operator, "Inputs"))
        return Op(kind, inputs, self.file.numbers(operator, "Outputs"), options, index)

    def _tensor(self, index: int, stored: Any) -> Tensor:
        name = self.file.text(stored.Name())
        place = f'tensor {index} ("{name.split(";")[0]}")'
        dtype = self._dtype(place, stored.Type())
        if stored.Sparsity() is not None:
            self.unsupported.append(f"{place}: stored sparsely, which TensorFlow Lite Micro does not expand")
            dtype = None
        if stored.IsVariable():
            self.unsupported.append(f"{place}: variables, which keep their value between inferences, are not supported")
        shape = self._shape(place, stored)
        if dtype is None:  # reported above; what follows is only there to find further things to report
            return Tensor(name, DType.INT8, shape)
        quantization = self._quantization(place, dtype, self.file.checked(stored.Quantization()))
        data = self._data(place, stored.Buffer(), dtype, shape)
        return Tensor(name, dtype, shape, quantization, data)

    def _dtype(self, place: str, number: int) -> DType | None:
        if number in DTYPES:
            return DTYPES[number]
        known = enum_names(tflite.TensorType).get(number)
        if known is None:
            raise FlatbufferError(f"{place} has the unknown element type {number}")
        self.unsupported.append(f"{place}: element type {known} is not supported")
        return None

    def _shape(self, place: str, stored: Any) -> tuple[int, ...]:
        shape = self.file.numbers(stored, "Shape")
        signature = self.file.numbers(stored, "ShapeSignature")
        if len(shape) > MAX_RANK:
            raise FlatbufferError(f"{place} has {len(shape)} dimensions, more than {MAX_RANK}")
        # -1 in the signature: resizable for those who can; here the shape's own number counts.
        if signature and (
            len(signature) != len(shape) or any(s not in (-1, d) for s, d in zip(signature, shape, strict=True))
        ):
            raise FlatbufferError(f"{place} has shape {list(shape)}, but shape signature {list(signature)}")
        return shape

    def _quantization(self, place: str, dtype: DType, stored: Any) -> Quantization | None:
        if stored is None:
            return None
        if stored.DetailsType() != tflite.QuantizationDetails.NONE:
            self.unsupported.append(f"{place}: a custom quantization scheme is not supported")
        scales = self.file.numbers(stored, "Scale")
        zero_points = self.file.numbers(stored, "ZeroPoint")
        if not scales and not zero_points:
            return None  # only a float range is recorded
        if len(scales) != len(zero_points):
            raise FlatbufferError(f"{place} has {len(scales)} scales, but {len(zero_points)} zero points")
        if dtype.numpy.kind in "iu":
            limits = np.iinfo(dtype.value)
            if any(not limits.min <= z <= limits.max for z in zero_points):
                raise FlatbufferError(f"{place} has a zero point outside the range of {dtype.value}")
        axis = stored.QuantizedDimension() if len(scales) > 1 else 0
        return Quantization(scales, zero_points, axis)

    def _data(self, place: str, index: int, dtype: DType, shape: tuple[int, ...]) -> Array | None:
        if not 0 <= index < max(self.model.BuffersLength(), 1):
            raise FlatbufferError(f"{place} has buffer {index}, of {self.model.BuffersLength()}")
        buffer = self.file.checked(self.model.Buffers(index)) if index else None
        if buffer is None:
            return None
        if buffer.Offset() > 1:  # 0 and 1 mean that the data are in the buffer itself
            self.file.require(buffer.Offset(), buffer.Size(), f"{place}: its data")
            self.unsupported.append(
                f"{place}: data outside the flatbuffer, where TensorFlow Lite Micro can't find them"
            )
            return None
        if buffer.DataIsNone():
            return None
        raw = buffer.DataAsNumpy()
        if raw.size == 0:
            return None
        expected = int(np.prod([max(d, 0) for d in shape], dtype=object)) * dtype.bytes
        if raw.size != expected:
            raise FlatbufferError(f"{place} has {raw.size} bytes of data, but its shape and type take {expected}")
        if dtype is DType.BOOL and raw.max() > 1:
            raise FlatbufferError(f"{place} has truth values that are neither 0 nor 1")
        data: Array = np.frombuffer(raw.data, dtype.numpy).reshape(shape)
        return data


def _report(source: str, found: Sequence[str], what: str) -> tuple[str, list[str]]:
    """Message and details of an error that has one or more causes."""
    if len(found) == 1:
        return f"{source}: {found[0]}", []
    rest = len(found) - MAX_PROBLEMS
    more = [f"… and {rest} more"] if rest > 0 else []
    return f"{source}: {len(found)} {what}", [*found[:MAX_PROBLEMS], *more]
