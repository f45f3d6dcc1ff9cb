"""What the templates see: C facts, ready to be written down. All arithmetic is done here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygen.codegen.names import Names
from tinygen.codegen.vectors import VectorArrayView
from tinygen.ir import (
    SCRATCH,
    Alias,
    Array,
    Call,
    Constant,
    DType,
    Function,
    Graph,
    ModelInterface,
    Param,
    Port,
    Program,
    Scratch,
    Tensor,
    View,
)
from tinygen.plan import MemoryPlan

__all__ = ["ArrayView", "CallView", "ModelView", "PortView", "model_view"]

_VALUES_PER_LINE = {1: 20, 2: 14, 4: 8, 8: 4}


@dataclass(frozen=True, slots=True)
class ArrayView:
    """A constant array: ``const <c_type> <name>[<length>]``."""

    name: str
    c_type: str
    length: int
    bytes: int
    comment: str
    rows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CallView:
    """A kernel call with its parameter struct (``params`` is empty if it takes none, or one shown before)."""

    op: int
    comment: str
    kernel: str
    struct_name: str
    params: Mapping[str, object]
    arguments: tuple[str, ...]
    probe_tensor: int
    probe_data: str
    probe_bytes: int
    last_of_op: bool


@dataclass(frozen=True, slots=True)
class PortView:
    """An input or output as the header shows it."""

    index: int
    label: str
    c_type: str
    shape: str
    dimensions: tuple[int, ...]
    elements: int
    bytes: int
    address: str
    scale: str
    zero_point: int
    quantized: bool


@dataclass(frozen=True, slots=True)
class ModelView:
    """Everything that the templates of a model package need.

    Attributes:
        release: the version as three numbers.
        sources: files below ``kernels/`` that are compiled.
    """

    name: str
    macro: str
    version: str
    release: str
    abi: int
    model_sha256: str
    source: str
    inputs: tuple[PortView, ...]
    outputs: tuple[PortView, ...]
    headers: tuple[str, ...]
    sources: tuple[str, ...]
    arena_bytes: int
    alignment: int
    weights_bytes: int
    arrays: tuple[ArrayView, ...]
    calls: tuple[CallView, ...]
    aliases: int
    macs: int
    vector_arrays: tuple[VectorArrayView, ...]
    tflm: Mapping[str, object] = field(default_factory=dict)

    @property
    def vectors(self) -> int:
        """How many test vectors there are."""
        return len(self.vector_arrays[0].vectors) if self.vector_arrays else 0

    @property
    def compiled(self) -> tuple[str, ...]:
        """Files that make up the ahead-of-time runtime, relative to the package."""
        generated = ("", "_weights", "_vectors") if self.vector_arrays else ("", "_weights")
        return (*(f"src/{self.name}{part}.c" for part in generated), *(f"kernels/{path}" for path in self.sources))


def model_view(
    program: Program,
    memory: MemoryPlan,
    interface: ModelInterface,
    facts: Mapping[str, object],
) -> ModelView:
    """Turn a planned program into C facts.

    Args:
        facts: the fields of ``ModelView`` that don't follow from the program: version, release, abi,
            model_sha256, source, sources, macs, vector_arrays, alignment, tflm.
    """
    return _ViewBuilder(program, memory, interface).build(facts)


class _ViewBuilder:
    """Walks the program once and collects arrays as the calls mention them."""

    def __init__(self, program: Program, memory: MemoryPlan, interface: ModelInterface) -> None:
        self._program = program
        self._memory = memory
        self._interface = interface
        self._names = Names(interface.name)
        self._arrays: dict[tuple[str, bytes], ArrayView] = {}
        self._structs: dict[str, str] = {}

    def build(self, facts: Mapping[str, object]) -> ModelView:
        calls = tuple(self._calls())
        inputs = tuple(self._port(p) for p in self._interface.inputs)
        outputs = tuple(self._port(p) for p in self._interface.outputs)
        arrays = tuple(self._arrays.values())
        return ModelView(
            name=self._interface.name,
            macro=self._interface.macro,
            inputs=inputs,
            outputs=outputs,
            headers=self._program.headers,
            arena_bytes=self._memory.arena_bytes,
            weights_bytes=sum(a.bytes for a in arrays),
            arrays=arrays,
            calls=calls,
            aliases=sum(isinstance(s, Alias) for s in self._program.steps),
            **facts,  # type: ignore[arg-type]
        )

    def _calls(self) -> Iterator[CallView]:
        graph = self._program.graph
        steps = self._program.steps
        executed = [part for call in self._program.calls for part in call.parts or (call,)]
        count = Counter(part.op for part in executed)
        last = {call.op: call for call in self._program.calls}
        seen: Counter[int] = Counter()
        comments = {op.index: comment(graph, op.index) for op in graph.ops}
        for position, step in enumerate(steps):
            if not isinstance(step, Call):
                continue
            written = step.outputs[-1].tensor
            scratch = self._memory.scratch_offsets.get(position, 0)
            for call in step.parts or (step,):
                part = seen[call.op]
                seen[call.op] += 1
                suffix = (f"op{call.op}", part) if count[call.op] > 1 else (f"op{call.op}",)
                params = {k: self._param(v, suffix, scratch) for k, v in call.params.items()}
                struct, is_new = self._struct(call.kernel, params, suffix)
                yield CallView(
                    op=call.op,
                    comment=comments[call.op] if part == 0 else "",
                    kernel=call.kernel,
                    struct_name=struct,
                    params=params if is_new else {},
                    arguments=tuple(self._arguments(call, scratch)),
                    probe_tensor=written,
                    probe_data=self._address(View(written)),
                    probe_bytes=graph.tensors[written].bytes,
                    last_of_op=step is last[step.op] and (not step.parts or call is step.parts[-1]),
                )

    def _struct(self, kernel: str, params: Mapping[str, object], parts: Sequence[object]) -> tuple[str, bool]:
        """The name of a parameter struct with this content, and whether it is the first; equal ones share one."""
        if not params:
            return "", False
        key = f"{kernel} {params}"
        if is_new := key not in self._structs:
            self._structs[key] = self._names.take(*parts)
        return self._structs[key], is_new

    def _arguments(self, call: Call, scratch: int) -> Iterator[str]:
        for view in (*call.inputs, *call.outputs):
            yield f"AT({scratch + view.offset})" if view.tensor == SCRATCH else self._address(view)
        if call.scratch_bytes:
            yield f"AT({scratch + call.scratch_offset})"

    def _address(self, view: View) -> str:
        offset = self._memory.tensor_offsets.get(view.tensor)
        if offset is not None:
            return f"AT({offset + view.offset})"
        index, start = self._constant_behind(view.tensor)
        tensor = self._program.graph.tensors[index]
        assert tensor.data is not None
        name = self._array((f"t{view.tensor}",), Constant("", tensor.data), tensor)
        return f"(const void *)((const uint8_t *){name} + {start + view.offset})" if start + view.offset else name

    def _constant_behind(self, tensor: int) -> tuple[int, int]:
        """The constant in whose memory a tensor lies, perhaps itself, and where in it."""
        sources = {s.target: s for s in self._program.steps if isinstance(s, Alias)}
        offset = 0
        while tensor in sources and not self._program.graph.tensors[tensor].is_constant:
            offset += sources[tensor].offset
            tensor = sources[tensor].source
        return tensor, offset

    def _param(self, value: Param, parts: tuple[object, ...], scratch: int) -> object:
        if isinstance(value, Constant):
            return self._array((*parts, value.role), value) if np.asarray(value.data).size else "NULL"
        if isinstance(value, Function):
            return value.name
        if isinstance(value, Scratch):
            return f"AT({scratch + value.offset})"
        if isinstance(value, Mapping):
            return {k: self._param(v, parts, scratch) for k, v in value.items()}
        if isinstance(value, tuple):
            return [c_literal(v) for v in value]
        return c_literal(value)

    def _array(self, parts: Sequence[object], constant: Constant, tensor: Tensor | None = None) -> str:
        """The name of an array with this content; equal contents share one."""
        data = np.ascontiguousarray(constant.data)
        c_type = (
            DType(data.dtype.name).c_type if data.dtype.name in {d.value for d in DType} else f"{data.dtype.name}_t"
        )
        key = (c_type, data.tobytes())
        if key not in self._arrays:
            label = f'"{tensor.name.split(";")[0]}" ' if tensor else ""
            self._arrays[key] = ArrayView(
                name=self._names.take(*parts),
                c_type=c_type,
                length=max(data.size, 1),
                bytes=data.nbytes,
                comment=_plain(f"{label}{c_type} {list(data.shape)}"),
                rows=tuple(_rows(data)),
            )
        return self._arrays[key].name

    def _port(self, port: Port) -> PortView:
        q = port.quantization
        return PortView(
            index=port.index,
            label=_plain(port.label),
            c_type=port.c_type,
            shape="x".join(map(str, port.shape)) or "scalar",
            dimensions=port.shape,
            elements=port.bytes // port.dtype.bytes,
            bytes=port.bytes,
            address=self._address(View(port.tensor)),
            scale=c_literal(float(q.scale)) if q and q.per_tensor else "0.0F",
            zero_point=q.zero_point if q and q.per_tensor else 0,
            quantized=bool(q and q.per_tensor),
        )


def comment(graph: Graph, op_index: int) -> str:
    """``3  CONV_2D  "model/conv"  int8 1x49x10x1 -> int8 1x25x5x64``: an operator in a line."""
    op = next(o for o in graph.ops if o.index == op_index)
    computed = [t for t in op.inputs if t is not None and not graph.tensors[t].is_constant]
    source = ", ".join(_type(graph.tensors[t]) for t in computed)
    target = ", ".join(_type(graph.tensors[t]) for t in op.outputs)
    name = graph.tensors[op.outputs[0]].name.split(";")[0]
    return _plain(f'{op.index}  {op.kind}  "{name}"  {source} -> {target}')


def c_literal(value: int | float | np.integer[Any]) -> str:
    """A C literal with exactly this value; nine digits tell any two float32 values apart."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        text = f"{float(np.float32(value)):.9g}"
        return f"{text}F" if "." in text or "e" in text else f"{text}.0F"
    if value == -(1 << 31):
        return "INT32_MIN"  # -2147483648 would be a negated long
    return str(int(value))


def _rows(data: Array) -> Iterator[str]:
    values = [c_literal(v) for v in data.reshape(-1).tolist()] or ["0"]
    width = _VALUES_PER_LINE.get(data.dtype.itemsize, 8)
    for start in range(0, len(values), width):
        yield ", ".join(values[start : start + width])


def _type(tensor: Tensor) -> str:
    return f"{tensor.dtype.value} {'x'.join(map(str, tensor.shape)) or 'scalar'}"


def _plain(text: str) -> str:
    """Text that is safe inside a C comment: printable ASCII, no end of comment, not too long."""
    printable = "".join(c if " " <= c <= "~" and c != "\\" else "?" for c in text)
    short = printable if len(printable) <= 160 else printable[:157] + "..."
    return short.replace("*/", "* /").replace("/*", "/ *")
