"""What portable kernels cost, roughly: enough to rank them against other forms.

Instructions for each multiply-accumulate or element, read off profiles of the MLPerf Tiny models on a
Cortex-M4 (GCC, -O2). Reports show measured counts; this only guides the choice.
"""

from __future__ import annotations

from collections.abc import Mapping

from tinygen.ir import Call, Constant, Graph, Param

__all__ = ["portable_instructions"]

_PER_MAC = {
    "tg_conv_2d": 4.4,
    "tg_conv_direct": 3.8,
    "tg_transpose_conv": 5.0,
    "tg_depthwise_conv_2d": 16.0,
    "tg_fully_connected": 5.8,
}
_PER_ELEMENT = {"tg_add": 32.0, "tg_mul": 24.0, "tg_average_pool_2d": 8.0, "tg_max_pool_2d": 10.0, "tg_sum": 8.0}


def portable_instructions(call: Call, graph: Graph) -> int:
    """Estimated instructions of one call of a portable kernel."""
    elements = sum(graph.tensors[v.tensor].elements for v in (*call.inputs, *call.outputs))
    per_mac = _PER_MAC.get(call.kernel)
    if per_mac is None:
        return int(_PER_ELEMENT.get(call.kernel, 10.0) * elements) + 50
    outputs = graph.tensors[call.outputs[0].tensor].elements
    weights = _largest_constant(call.params)
    channels = graph.tensors[call.outputs[0].tensor].shape[-1]
    return int(per_mac * outputs * weights / max(channels, 1)) + 50


def _largest_constant(params: Mapping[str, Param]) -> int:
    """Elements of the weights: the largest array among the parameters."""
    sizes = [0]
    for value in params.values():
        if isinstance(value, Constant):
            sizes.append(int(value.data.size))
        elif isinstance(value, Mapping):
            sizes.append(_largest_constant(value))
    return max(sizes)
