"""What portable kernels cost, roughly: enough to rank them against other forms.

Instructions for each multiply-accumulate, output value and window, fitted to profiles of the MLPerf Tiny and
the digits models on a Cortex-M4 (GCC, -O2). Reports show measured counts; this only guides the choice.
"""

from __future__ import annotations

from collections.abc import Mapping

from tinygen.ir import Call, Constant, Graph, Param

__all__ = ["portable_instructions"]

# Kernel -> instructions for each multiply-accumulate, for each output value, for each window.
_PER_MAC = {
    "tg_conv_2d": (2.9, 55.0, 300.0),
    "tg_conv_direct": (2.9, 55.0, 40.0),
    "tg_transpose_conv": (4.0, 55.0, 300.0),
    "tg_depthwise_conv_2d": (16.0, 0.0, 0.0),
    "tg_fully_connected": (5.0, 40.0, 0.0),
}
_PER_ELEMENT = {"tg_add": 32.0, "tg_mul": 24.0, "tg_average_pool_2d": 8.0, "tg_max_pool_2d": 10.0, "tg_sum": 8.0}


def portable_instructions(call: Call, graph: Graph) -> int:
    """Estimated instructions of one call of a portable kernel."""
    elements = sum(graph.tensors[v.tensor].elements for v in (*call.inputs, *call.outputs))
    rates = _PER_MAC.get(call.kernel)
    if rates is None:
        return int(_PER_ELEMENT.get(call.kernel, 10.0) * elements) + 50
    target = graph.tensors[call.outputs[0].tensor]
    channels = max(target.shape[-1], 1)
    per_mac, per_output, per_window = rates
    macs = target.elements * _largest_constant(call.params) / channels
    return int(per_mac * macs + per_output * target.elements + per_window * target.elements / channels) + 50


def _largest_constant(params: Mapping[str, Param]) -> int:
    """Elements of the weights: the largest array among the parameters."""
    sizes = [0]
    for value in params.values():
        if isinstance(value, Constant):
            sizes.append(int(value.data.size))
        elif isinstance(value, Mapping):
            sizes.append(_largest_constant(value))
    return max(sizes)
