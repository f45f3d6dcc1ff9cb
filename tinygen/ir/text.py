"""The graph as stable text: the same graph prints the same lines, for people and golden tests."""

from __future__ import annotations

import hashlib

from tinygen.ir.graph import Graph, Op, Tensor
from tinygen.ir.types import Quantization

__all__ = ["to_text"]


def to_text(graph: Graph) -> str:
    """Render a graph, one line for each input, constant, operator and output.

    Constants are shown by the first 8 digits of their SHA-256, so that a changed weight shows.
    """
    lines = [f"graph {graph.name}"]
    lines += [f"  input  %{t} {_tensor(graph.tensors[t])}" for t in graph.inputs]
    lines += [
        f"  const  %{t} {_tensor(graph.tensors[t])}" for t in graph.used_tensors() if graph.tensors[t].is_constant
    ]
    lines += [f"  op{op.index:<4} {_op(graph, op)}" for op in graph.ops]
    lines += [f"  output %{t}" for t in graph.outputs]
    return "\n".join(lines) + "\n"


def _op(graph: Graph, op: Op) -> str:
    outputs = ", ".join(f"%{t}" for t in op.outputs)
    inputs = ", ".join("-" if t is None else f"%{t}" for t in op.inputs)
    options = "".join(f" {k}={_value(v)}" for k, v in sorted(op.options.items()))
    types = ", ".join(_tensor(graph.tensors[t]) for t in op.outputs)
    return f"{outputs} = {op.kind}({inputs}){options} -> {types}"


def _value(value: object) -> str:
    return "[" + ",".join(map(str, value)) + "]" if isinstance(value, tuple) else str(value)


def _tensor(tensor: Tensor) -> str:
    text = f"{tensor.dtype.value}[{','.join(map(str, tensor.shape))}]{_quantization(tensor.quantization)}"
    if tensor.data is not None:
        text += f" sha={hashlib.sha256(tensor.data.tobytes()).hexdigest()[:8]}"
    return f'{text} "{tensor.name.split(";")[0]}"'


def _quantization(q: Quantization | None) -> str:
    if q is None:
        return ""
    if q.per_tensor:
        return f" scale={q.scale:.9g} zp={q.zero_point}"
    return f" scale=[{len(q.scales)}: {min(q.scales):.6g}..{max(q.scales):.6g}] axis={q.axis}"
