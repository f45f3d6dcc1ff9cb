"""Pooling on MVE, sixteen channels at a time: form ``mve``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

from tinygen.forms.form import Candidate, Form, Target, register
from tinygen.forms.mve import VECTOR, vectors
from tinygen.forms.pool import MAX_PIXELS
from tinygen.ir import Call, Graph

__all__ = ["MvePool"]

# Measured around the kernels (-O2): a pixel of sixteen channels, sixteen channels besides, a mean of a channel,
# a window besides.
PIXEL_INSTRUCTIONS = {"tg_average_pool_2d": 6, "tg_max_pool_2d": 5}
VECTOR_INSTRUCTIONS = 60
MEAN_INSTRUCTIONS = 9
WINDOW_INSTRUCTIONS = 40


@register
class MvePool(Form):
    """Windows of any kind; for a mean, of at most ``MAX_PIXELS`` pixels."""

    replaces: ClassVar = ("tg_average_pool_2d", "tg_max_pool_2d")

    def candidates(self, call: Call, graph: Graph, target: Target) -> Iterator[Candidate]:
        del graph
        p = {name: value for name, value in call.params.items() if isinstance(value, int)}
        mean = call.kernel == "tg_average_pool_2d"
        pixels, channels = p["kernel_height"] * p["kernel_width"], p["channels"]
        if not target.mve or channels < 4 or (mean and pixels > MAX_PIXELS):
            return
        kernel = f"{call.kernel}_mve"
        window = vectors(channels) * (VECTOR_INSTRUCTIONS + PIXEL_INSTRUCTIONS[call.kernel] * pixels)
        outputs = p["batches"] * p["output_height"] * p["output_width"]
        yield Candidate(
            form="mve",
            calls=(
                replace(
                    call,
                    kernel=kernel,
                    header="mve/tg_mve_pool.h",
                    sources=(f"mve/{kernel}.c", "mve/tg_mve_pool.c"),
                ),
            ),
            instructions=outputs * (WINDOW_INSTRUCTIONS + window + (MEAN_INSTRUCTIONS * channels if mean else 0)),
            reason=f"{VECTOR} channels at a time",
        )
