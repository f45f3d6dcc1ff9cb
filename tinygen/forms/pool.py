"""Pooling and means of many channels at once: form ``packed``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np

from tinygen.forms.form import Candidate, Form, Target, register
from tinygen.ir import Call, Constant, Graph, Param

__all__ = ["MeanPacked", "PoolPacked"]

HEADER = "pool/tg_pool_packed.h"
# So many int8 values sum up to an int16.
MAX_PIXELS = 256
BLOCK = 16

# Measured on Cortex-M4 (gcc -O2): a pixel of a block of 16 and of 4 channels, a block besides, a mean, an
# output window besides.
PIXEL_INSTRUCTIONS = 15
FOUR_INSTRUCTIONS = 6
BLOCK_INSTRUCTIONS = 60
OUTPUT_INSTRUCTIONS = 11
WINDOW_INSTRUCTIONS = 60


@register
class PoolPacked(Form):
    """Windows of any kind; for a mean, of at most ``MAX_PIXELS`` pixels."""

    replaces: ClassVar = ("tg_average_pool_2d", "tg_max_pool_2d")

    def candidates(self, call: Call, graph: Graph, target: Target) -> Iterator[Candidate]:
        p = {name: value for name, value in call.params.items() if isinstance(value, int)}
        mean = call.kernel == "tg_average_pool_2d"
        pixels = p["kernel_height"] * p["kernel_width"]
        if not target.dsp or p["channels"] < 4 or (mean and pixels > MAX_PIXELS):
            return
        kernel = f"{call.kernel}_packed"
        outputs = p["batches"] * p["output_height"] * p["output_width"]
        sums = ("pool/tg_pool_sums.c",) if mean else ()
        window = _mean_instructions(p["channels"], pixels) if mean else _max_instructions(p["channels"], pixels)
        yield Candidate(
            form="packed",
            calls=(replace(call, kernel=kernel, header=HEADER, sources=(f"pool/{kernel}.c", *sums)),),
            instructions=outputs * (WINDOW_INSTRUCTIONS + window),
            reason=f"{BLOCK if mean else 4} channels at a time",
        )


@register
class MeanPacked(Form):
    """The mean (or sum) over all pixels of one image."""

    replaces: ClassVar = ("tg_sum",)

    def candidates(self, call: Call, graph: Graph, target: Target) -> Iterator[Candidate]:
        over = call.params["over"]
        assert isinstance(over, Mapping)
        keep, fold = _loops(over["keep"]), _loops(over["fold"])
        if not target.dsp or len(keep) != 1 or len(fold) != 1:
            return
        (channels, apart), (pixels, step) = keep[0], fold[0]
        if apart != 1 or step != channels or channels < 4 or pixels > MAX_PIXELS:
            return
        params: dict[str, Param] = {
            "pixels": pixels,
            "channels": channels,
            **{name: call.params[name] for name in ("bias", "output_zero_point", "rescale")},
        }
        yield Candidate(
            form="packed",
            calls=(
                replace(
                    call,
                    kernel="tg_mean_pixels",
                    header=HEADER,
                    sources=("pool/tg_mean_pixels.c", "pool/tg_pool_sums.c"),
                    params=params,
                ),
            ),
            instructions=WINDOW_INSTRUCTIONS + _mean_instructions(channels, pixels) + 20 * channels,
            reason=f"{BLOCK} channels at a time",
        )


def _loops(value: Param) -> list[list[int]]:
    """[loops][2] of a table of ``tg_reduce_t``."""
    assert isinstance(value, Constant)
    return [[int(x) for x in row] for row in np.asarray(value.data).reshape(-1, 2).tolist()]


def _mean_instructions(channels: int, pixels: int) -> int:
    blocks, rest = divmod(channels, BLOCK)
    fours, ones = divmod(rest, 4)
    each = pixels * (PIXEL_INSTRUCTIONS * blocks + FOUR_INSTRUCTIONS * (fours + ones))
    return each + BLOCK_INSTRUCTIONS * (blocks + fours + ones) + OUTPUT_INSTRUCTIONS * channels


def _max_instructions(channels: int, pixels: int) -> int:
    fours, ones = divmod(channels, 4)
    return (8 * pixels + 20) * fours + (8 * pixels + 14) * ones
