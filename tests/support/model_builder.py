"""A small builder of .tflite flatbuffers, so that a test can say in a few lines which model it means.

    b = ModelBuilder()
    x = b.input((1, 8, 8, 3), "int8", scale=0.05, zero_point=3)
    w = b.constant(weights, scales=[0.01] * 4, axis=0)
    y = b.op("CONV_2D", [x, w, bias], shape=(1, 8, 8, 4), scale=0.1, options={"stride_w": 1, "stride_h": 1})
    b.output(y)
    data = b.build()

It writes what it is told and checks nothing: tests of refusals need wrong models, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from numpy.typing import ArrayLike, NDArray
from tflite_micro import runtime

from tinygen.load.tflite_options import expected_options

__all__ = ["ModelBuilder", "Output", "pack", "schema"]

schema = runtime.schema_fb


@dataclass(frozen=True, slots=True)
class Output:
    """Type of a tensor that an operator writes."""

    shape: tuple[int, ...]
    dtype: str = "int8"
    scale: float | None = None
    zero_point: int = 0
    name: str = ""


class _AlignedBuffer(schema.BufferT):  # type: ignore[name-defined, misc]
    """A buffer whose data lie at a multiple of 16 bytes, as the schema demands and its Python packer forgets."""

    def Pack(self, builder: flatbuffers.Builder) -> int:
        data = None
        if self.data is not None:
            builder.StartVector(1, len(self.data), 16)
            builder.head = builder.head - len(self.data)
            builder.Bytes[builder.head : builder.head + len(self.data)] = bytes(self.data)
            data = builder.EndVector()
        schema.BufferStart(builder)
        if data is not None:
            schema.BufferAddData(builder, data)
        return int(schema.BufferEnd(builder))


class ModelBuilder:
    """Collects tensors and operators; tensors are named by their index."""

    def __init__(self, description: str = "made by a test") -> None:
        self._description = description
        self._buffers: list[Any] = [schema.BufferT()]  # buffer 0 means "no data"
        self._tensors: list[Any] = []
        self._codes: list[tuple[str, int]] = []
        self._operators: list[Any] = []
        self._inputs: list[int] = []
        self._outputs: list[int] = []

    def tensor(
        self,
        shape: Sequence[int],
        dtype: str = "int8",
        *,
        scale: float | None = None,
        zero_point: int = 0,
        name: str = "",
    ) -> int:
        """Add a tensor without data and return its index; a per-tensor quantization if ``scale`` is given."""
        scales = None if scale is None else [scale]
        return self._add(shape, dtype, scales, [zero_point], 0, 0, name)

    def input(
        self,
        shape: Sequence[int],
        dtype: str = "int8",
        *,
        scale: float | None = None,
        zero_point: int = 0,
        name: str = "",
    ) -> int:
        """Add an input of the model."""
        index = self.tensor(shape, dtype, scale=scale, zero_point=zero_point, name=name)
        self._inputs.append(index)
        return index

    def constant(
        self,
        values: ArrayLike,
        dtype: str | None = None,
        *,
        scales: Sequence[float] | float | None = None,
        zero_points: Sequence[int] | int = 0,
        axis: int = 0,
        name: str = "",
    ) -> int:
        """Add a constant; its type is the array's unless ``dtype`` says otherwise."""
        array = np.asarray(values) if dtype is None else np.asarray(values, dtype=dtype)
        if scales is not None:
            scales = [scales] if isinstance(scales, float | int) else list(scales)
        count = len(scales) if scales is not None else 0
        zeros = [zero_points] * count if isinstance(zero_points, int) else list(zero_points)
        self._buffers.append(_buffer(array))
        return self._add(array.shape, array.dtype.name, scales, zeros, axis, len(self._buffers) - 1, name)

    def op(
        self,
        kind: str,
        inputs: Sequence[int | None],
        *,
        shape: Sequence[int],
        dtype: str = "int8",
        scale: float | None = None,
        zero_point: int = 0,
        name: str = "",
        options: Mapping[str, object] | None = None,
        version: int = 1,
    ) -> int:
        """Add an operator with one output and return the output's index."""
        output = Output(tuple(shape), dtype, scale, zero_point, name)
        return self.op_multi(kind, inputs, [output], options=options, version=version)[0]

    def op_multi(
        self,
        kind: str,
        inputs: Sequence[int | None],
        outputs: Sequence[Output],
        *,
        options: Mapping[str, object] | None = None,
        version: int = 1,
    ) -> tuple[int, ...]:
        """Add an operator with several outputs and return their indices.

        ``options`` are named as in the schema (``stride_w``); those not given keep the schema's
        defaults. With ``options=None`` the table is written if the operator has one, full of defaults.
        """
        written = tuple(
            self.tensor(o.shape, o.dtype, scale=o.scale, zero_point=o.zero_point, name=o.name) for o in outputs
        )
        operator = schema.OperatorT()
        operator.opcodeIndex = self._code(kind, version)
        operator.inputs = [-1 if t is None else t for t in inputs]
        operator.outputs = list(written)
        _set_options(operator, kind, options or {})
        self._operators.append(operator)
        return written

    def output(self, *tensors: int) -> None:
        """Declare tensors as outputs of the model."""
        self._outputs.extend(tensors)

    def model(self) -> Any:
        """The schema's ``ModelT``, for tests that bend it before packing it with ``pack``."""
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs, graph.name = self._inputs, self._outputs, "main"
        model = schema.ModelT()
        model.version, model.description = 3, self._description
        model.operatorCodes = [_operator_code(kind, version) for kind, version in self._codes]
        model.subgraphs, model.buffers = [graph], self._buffers
        return model

    def build(self) -> bytes:
        """The finished flatbuffer."""
        return pack(self.model())

    def _code(self, kind: str, version: int) -> int:
        if (kind, version) not in self._codes:
            self._codes.append((kind, version))
        return self._codes.index((kind, version))

    def _add(
        self,
        shape: Sequence[int],
        dtype: str,
        scales: Sequence[float] | None,
        zero_points: Sequence[int],
        axis: int,
        buffer: int,
        name: str,
    ) -> int:
        tensor = schema.TensorT()
        tensor.shape, tensor.buffer, tensor.hasRank = [int(d) for d in shape], buffer, True
        tensor.type = getattr(schema.TensorType, dtype.upper())
        tensor.name = name or f"t{len(self._tensors)}"
        if scales is not None:
            quantization = schema.QuantizationParametersT()
            quantization.scale = [float(s) for s in scales]
            quantization.zeroPoint = [int(z) for z in zero_points]
            quantization.quantizedDimension = axis
            tensor.quantization = quantization
        self._tensors.append(tensor)
        return len(self._tensors) - 1


def pack(model: Any) -> bytes:
    """Serialize a ``ModelT``."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _set_options(operator: Any, kind: str, options: Mapping[str, object]) -> None:
    name = expected_options(kind)
    if name is None:
        assert not options, f"{kind} has no options, got {dict(options)}"
        return
    table = getattr(schema, f"{name}T")()
    for key, value in options.items():
        attribute = _camel(key)
        assert hasattr(table, attribute), f"{name} has no field {key}"
        setattr(table, attribute, list(value) if isinstance(value, tuple) else value)
    operator.builtinOptionsType = getattr(schema.BuiltinOptions, name)
    operator.builtinOptions = table


def _operator_code(kind: str, version: int) -> Any:
    code = schema.OperatorCodeT()
    if kind.startswith("CUSTOM:"):
        code.customCode = kind.removeprefix("CUSTOM:")
        kind = "CUSTOM"
    code.builtinCode = getattr(schema.BuiltinOperator, kind)
    # The old field holds one byte; 127 there says "see the new one".
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    code.version = version
    return code


def _buffer(array: NDArray[Any]) -> Any:
    buffer = _AlignedBuffer()
    buffer.data = np.frombuffer(array.astype(array.dtype.newbyteorder("<")).tobytes(), dtype=np.uint8)
    return buffer


def _camel(snake: str) -> str:
    first, *rest = snake.split("_")
    return first + "".join(part.capitalize() for part in rest)
