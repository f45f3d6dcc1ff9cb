"""Invariants of a graph, checked after loading and after each pass."""

from __future__ import annotations

from collections.abc import Iterator

from tinygen.ir.graph import Graph, Tensor

__all__ = ["problems"]

# More than any microcontroller holds; keeps absurd shapes from overflowing what is computed from them.
MAX_TENSOR_BYTES = 1 << 28


def problems(graph: Graph) -> list[str]:
    """Every broken invariant, one sentence each; empty for a sound graph.

    Checked: indices in range, shapes positive, quantization consistent with shape, constant data of
    the declared type and shape, each tensor written at most once, and read only after it was written.
    """
    found = list(_index_problems(graph))
    if found:
        return found  # the other checks would follow bad indices
    for i in graph.used_tensors():
        found.extend(f'tensor {i} ("{graph.tensors[i].name}"): {p}' for p in _tensor_problems(graph.tensors[i]))
    found.extend(_order_problems(graph))
    return found


def _index_problems(graph: Graph) -> Iterator[str]:
    count = len(graph.tensors)
    if not graph.inputs:
        yield "the graph has no inputs"
    if not graph.outputs:
        yield "the graph has no outputs"
    for what, indices in (("input", graph.inputs), ("output", graph.outputs)):
        for t in indices:
            if not 0 <= t < count:
                yield f"graph {what} {t} is not one of the {count} tensors"
    for op in graph.ops:
        for optional in (*op.inputs, *op.outputs):
            if optional is not None and not 0 <= optional < count:
                yield f"op {op.index} ({op.kind}) refers to tensor {optional}, of {count}"
        if not op.outputs:
            yield f"op {op.index} ({op.kind}) has no output"


def _tensor_problems(tensor: Tensor) -> Iterator[str]:
    if any(d < 1 for d in tensor.shape):
        yield f"shape {list(tensor.shape)} is not fixed and positive"
        return
    if tensor.bytes > MAX_TENSOR_BYTES:
        yield f"{tensor.bytes} bytes are more than a microcontroller can hold"
        return
    if tensor.data is not None:
        if tensor.data.shape != tensor.shape:
            yield f"data of shape {list(tensor.data.shape)} for shape {list(tensor.shape)}"
        if tensor.data.dtype != tensor.dtype.numpy:
            yield f"data of type {tensor.data.dtype} for type {tensor.dtype.value}"
    q = tensor.quantization
    if q is None:
        return
    if len(q.scales) != len(q.zero_points):
        yield f"{len(q.scales)} scales, but {len(q.zero_points)} zero points"
    if any(not 0.0 < s < float("inf") for s in q.scales):
        yield "a scale is not a positive, finite number"
    if not q.per_tensor and (not 0 <= q.axis < len(tensor.shape) or len(q.scales) != tensor.shape[q.axis]):
        yield f"{len(q.scales)} scales along axis {q.axis} of shape {list(tensor.shape)}"


def _order_problems(graph: Graph) -> Iterator[str]:
    available = {*graph.inputs}
    for t in graph.inputs:
        if graph.tensors[t].is_constant:
            yield f"graph input {t} is a constant"
    for op in graph.ops:
        for read in op.inputs:
            if read is not None and read not in available and not graph.tensors[read].is_constant:
                yield f"op {op.index} ({op.kind}) reads tensor {read} before anything writes it"
        for t in op.outputs:
            if t in available:
                yield f"op {op.index} ({op.kind}) writes tensor {t} a second time"
            if graph.tensors[t].is_constant:
                yield f"op {op.index} ({op.kind}) writes the constant tensor {t}"
            available.add(t)
    for t in graph.outputs:
        if t not in available and not graph.tensors[t].is_constant:
            yield f"graph output {t} is never written"
