"""3x3 convolutions of stride 1 by exact integer Winograd F(2, 3): form ``winograd``.

Two thirds of the multiplications for 8/3 of the int8 weights' bytes and a few more additions; it pays
from 16 channels on. ``firmware/kernels/conv_gemm/tg_conv_gemm.h`` has the formulas.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tinygen.forms.conv_gemm import HEADER, MICRO_KERNELS
from tinygen.forms.form import Candidate, Form, Target, register
from tinygen.forms.packing import Filters, filters_of, general_factors, int16_stream
from tinygen.ir import Call, Constant, Graph, Param

__all__ = ["Winograd"]

Ints = NDArray[np.int64]
SOURCES = tuple(f"conv_gemm/tg_{name}.c" for name in ("conv_winograd", "gemm_int16", "gemm_clamp", "ring"))
BLOCK = 4  # windows in a row made at a time


@register
class Winograd(Form):
    """Needs whole words of input channels, one image and no dilation."""

    replaces: ClassVar = ("tg_conv_2d",)

    def candidates(self, call: Call, graph: Graph, target: Target) -> Iterator[Candidate]:
        scan, patch, filters = (_inner(call.params, name) for name in ("scan", "patch", "filters"))
        if not target.dsp or not _serves(call.params, scan, patch):
            return
        layer = filters_of(filters)
        factors = general_factors(layer)
        if layer.count < 2 or factors is None:
            return
        yield _candidate(call, layer, factors, _ints(scan), _ints(patch))


def _serves(params: Mapping[str, Param], scan: Mapping[str, Param], patch: Mapping[str, Param]) -> bool:
    """One image, one group, 3x3 taps, stride 1, no dilation, whole words of channels."""
    inputs = _ints(params)["group_inputs"]
    wanted = {"rows": 3, "row_step": 1, "pieces": 1, "piece_bytes": 3 * inputs, "batches": 1, "stride_rows": 1}
    found = {**_ints(scan), **_ints(patch)}
    return (
        _ints(params)["groups"] == 1
        and inputs % 4 == 0
        and found["stride_bytes"] == inputs
        and all(found[name] == value for name, value in wanted.items())
    )


def _candidate(
    call: Call, layer: Filters, factors: Ints, scan: Mapping[str, int], patch: Mapping[str, int]
) -> Candidate:
    inputs = patch["piece_bytes"] // 3
    height, width = scan["output_height"], scan["output_width"]
    blocks = -(-width // BLOCK)
    row_bytes = (blocks * BLOCK + 2) * inputs
    pad_bytes = -scan["first_byte"]
    pairs, steps = -(-layer.count // 2), 3 * inputs // 4
    stream = _stream(layer, inputs)
    gemm: dict[str, Param] = {
        "stream": Constant("stream", stream),
        "steps": steps,
        "channels": 16 * pairs,
        "requantize": 2,
        "constants": Constant("constants", np.zeros(0, np.int32)),
        "output_min": np.int8(layer.low),
        "output_max": np.int8(layer.high),
    }
    ring: dict[str, Param] = {
        "rows": 3,
        "row_bytes": row_bytes,
        "pad_rows": -scan["first_row"],
        "pad_bytes": pad_bytes,
        "fill": patch["fill"],
        "input_rows": patch["input_height"],
        "input_row_bytes": patch["input_row_bytes"],
        "copied_bytes": min(patch["input_row_bytes"], row_bytes - pad_bytes),
    }
    block = 4 * MICRO_KERNELS[0].instructions(steps, layer.count, 2) + 125 * pairs + 75 * steps + 140
    clamped = layer.low > -128 or layer.high < 127
    return Candidate(
        form="winograd",
        calls=(
            replace(
                call,
                kernel="tg_conv_winograd",
                header=HEADER,
                sources=SOURCES,
                params={
                    "ring": ring,
                    "height": height,
                    "width": width,
                    "inputs": inputs,
                    "channels": layer.count,
                    "component_words": stream.size // 4,
                    "factors": Constant("factors", factors.astype(np.int32)),
                    "gemm": gemm,
                },
                scratch_bytes=4 * 16 * steps + 4 * 16 * pairs + -(-4 * layer.count // 4) * 4 + 3 * row_bytes,
                lead={0: _lead(scan, patch, layer.count)},
            ),
        ),
        instructions=height * (blocks * (block + clamped * (20 + 8 * layer.count)) + row_bytes + 60),
        reason="3x3, stride 1: 2/3 of the multiplications",
    )


def _stream(layer: Filters, inputs: int) -> NDArray[np.int32]:
    """The four components' streams; only the second has a bias, which both outputs of a tile then contain."""
    g = layer.weights.reshape(layer.count, 3, 3, inputs)
    left, middle, right = (g[:, :, i].reshape(layer.count, -1) for i in range(3))
    components = (2 * left, left + middle + right, left - middle + right, 2 * right)
    none = np.zeros((layer.count, 0), np.int64)
    order = np.arange(3 * inputs, dtype=np.int64)
    return np.concatenate([int16_stream(u, 2 * layer.bias * (i == 1), none, order) for i, u in enumerate(components)])


def _lead(scan: Mapping[str, int], patch: Mapping[str, int], channels: int) -> int:
    """``Call.lead``: when a row's last pixel is written, the rows that it needs have been copied."""
    y = np.arange(scan["output_height"], dtype=np.int64)
    loaded = np.clip(y + 3 + scan["first_row"], 0, patch["input_height"])
    loaded[loaded == loaded[-1]] = patch["input_height"]
    written = (y + 1) * scan["output_width"] * channels
    return max(int((written - loaded * patch["input_row_bytes"]).max()), 0)


def _inner(params: Mapping[str, Param], name: str) -> Mapping[str, Param]:
    inner = params[name]
    assert isinstance(inner, Mapping)
    return inner


def _ints(params: Mapping[str, Param]) -> dict[str, int]:
    return {name: value for name, value in params.items() if isinstance(value, int)}
