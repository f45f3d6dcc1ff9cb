"""Layers that can compute some rows of their output alone: how they read rows, and their parameters for a band."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tinygen.ir import Call, Graph, Param

__all__ = ["Rows", "band_params", "rows_of"]

_WINDOWS = ("tg_conv_2d", "tg_depthwise_conv_2d")
_POOLS = ("tg_average_pool_2d", "tg_max_pool_2d")


@dataclass(frozen=True, slots=True)
class Rows:
    """Output row i reads ``reach`` input rows from i * ``stride`` - ``pad`` on, those that exist.

    Attributes:
        inputs, outputs: rows.
        input_bytes, output_bytes: of a row.
    """

    stride: int
    pad: int
    reach: int
    inputs: int
    outputs: int
    input_bytes: int
    output_bytes: int

    def first(self, output: int) -> int:
        """The first input row that an output row reads."""
        return min(max(output * self.stride - self.pad, 0), self.inputs)

    def end(self, output: int) -> int:
        """Behind the last input row that the output row before this one reads."""
        return min(max((output - 1) * self.stride - self.pad + self.reach, 0), self.inputs)


def rows_of(call: Call, graph: Graph) -> Rows | None:
    """The rows of a portable call on one image; ``None`` for other kernels."""
    source, target = (graph.tensors[views[0].tensor].shape for views in (call.inputs, call.outputs))
    if len(source) != 4 or len(target) != 4 or source[0] != 1:
        return None
    sizes = (source[1], target[1], source[2] * source[3], target[2] * target[3])
    if call.kernel in _WINDOWS:
        scan, patch = _numbers(call.params["scan"]), _numbers(call.params["patch"])
        return Rows(scan["stride_rows"], -scan["first_row"], (patch["rows"] - 1) * patch["row_step"] + 1, *sizes)
    own = _numbers(call.params)
    if call.kernel in _POOLS:
        return Rows(own["stride_height"], own["pad_top"], own["kernel_height"], *sizes)
    if call.kernel == "tg_conv_direct" and _numbers(call.params["filters"])["depth"] * own["groups"] == source[3]:
        return Rows(own["stride_row_bytes"] // sizes[2], 0, 1, *sizes)  # 1x1
    return None


def band_params(call: Call, rows: Rows, first: int, end: int) -> Mapping[str, Param]:
    """Parameters for output rows from ``first`` to before ``end``, given the input from ``rows.first(first)``."""
    begin, count = rows.first(first), end - first
    pad, height = begin - (first * rows.stride - rows.pad), rows.end(end) - begin
    if call.kernel in _WINDOWS:
        scan = {"input_image_bytes": height * rows.input_bytes, "first_row": -pad, "output_height": count}
        changed: dict[str, Param] = {
            "scan": {**_mapping(call.params["scan"]), **scan},
            "patch": {**_mapping(call.params["patch"]), "input_height": height},
        }
        if "output_image_step" in call.params:
            changed["output_image_step"] = count * rows.output_bytes
    elif call.kernel in _POOLS:
        changed = {"input_height": height, "output_height": count, "pad_top": pad}
    else:
        changed = {"height": count, "input_image_bytes": height * rows.input_bytes}
    return {**call.params, **changed}


def _mapping(value: Param) -> Mapping[str, Param]:
    assert isinstance(value, Mapping)
    return value


def _numbers(params: Param | Mapping[str, Param]) -> dict[str, int]:
    assert isinstance(params, Mapping)
    return {name: value for name, value in params.items() if isinstance(value, int)}
