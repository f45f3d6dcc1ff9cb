"""Mostly zero weights of pointwise convolutions and fully connected layers: form ``steps4``.

A byte for each weight that is not zero says how far it is from the one before, and which of 15 values it has;
zeros are neither stored nor multiplied. ``tg_sparse_steps.h`` describes the layout.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tinygen.forms.form import Candidate, Form, Target, register
from tinygen.ir import Call, Constant, Graph, Param

__all__ = ["SparseSteps"]

Ints = NDArray[np.int64]

VALUES = 16
REACH = 16  # of a step
BLOCK = 4  # pixels
LEAST_ZEROS = 0.5

# Counted in tg_sparse_steps.c (Cortex-M4, -O2): a step for four windows, for one; an output, a filter besides.
FOUR_INSTRUCTIONS = 16
ONE_INSTRUCTIONS = 8
OUTPUT_INSTRUCTIONS = 30
FILTER_INSTRUCTIONS = 60


@dataclass(frozen=True, slots=True)
class Windows:
    """Where the windows of a call lie, [pixels] first bytes in ascending order of rows."""

    pixels: int
    width: int
    stride_bytes: int
    row_bytes: int

    @property
    def starts(self) -> Ints:
        row, column = np.divmod(np.arange(self.pixels, dtype=np.int64), self.width)
        starts: Ints = row * self.row_bytes + column * self.stride_bytes
        return starts


@register
class SparseSteps(Form):
    """At most 15 values beside zero, and half of all weights zero."""

    replaces: ClassVar = ("tg_conv_direct", "tg_fully_connected")

    def candidates(self, call: Call, graph: Graph, target: Target) -> Iterator[Candidate]:
        windows = _windows(call.params)
        filters = call.params.get("filters", call.params)
        assert isinstance(filters, Mapping)
        weights, channels = filters["weights"], filters["channels"]
        assert isinstance(weights, Constant) and isinstance(channels, Mapping)
        depth = int(str(filters["depth" if "depth" in filters else "inputs"]))
        matrix: Ints = np.asarray(weights.data).reshape(-1, depth).astype(np.int64)
        values = np.unique(matrix[matrix != 0])
        if windows is None or values.size >= VALUES or (matrix == 0).mean() < LEAST_ZEROS:
            return
        outputs = len(matrix)
        table = np.zeros(VALUES, np.int8)
        table[1 : values.size + 1] = values
        codes = np.where(matrix == 0, 0, np.searchsorted(values, matrix) + 1)
        steps = np.concatenate([_steps(row) for row in codes])
        params: dict[str, Param] = {
            **{name: getattr(windows, name) for name in Windows.__slots__},
            "depth": depth,
            "filters": outputs,
            "output_zero_point": filters["output_zero_point"],
            "output_min": filters["output_min"],
            "output_max": filters["output_max"],
            "steps": Constant("steps", steps),
            "values": Constant("values", table),
            "channels": channels,
        }
        yield Candidate(
            form="steps4",
            calls=(
                replace(
                    call,
                    kernel="tg_sparse_steps",
                    header="weights/tg_sparse_steps.h",
                    sources=("weights/tg_sparse_steps.c",),
                    params=params,
                    scratch_bytes=0,
                    lead={0: _lead(windows, outputs)},
                ),
            ),
            instructions=_instructions(windows.pixels, outputs, steps.size),
            reason=f"{(matrix == 0).mean():.0%} zeros passed over",
        )


def _windows(params: Mapping[str, Param]) -> Windows | None:
    """Of a direct convolution of one group, or of a fully connected layer; ``None`` for others."""
    p = {name: value for name, value in params.items() if isinstance(value, int)}
    if "inputs" in p:
        return Windows(p["batches"], p["batches"], p["inputs"], 0)
    if p["groups"] != 1 or p["batches"] != 1:
        return None
    return Windows(p["height"] * p["width"], p["width"], p["stride_bytes"], p["stride_row_bytes"])


def _steps(codes: Ints) -> NDArray[np.uint8]:
    """Of one filter: its places of other codes than 0, its last place, and some on the way over long gaps."""
    places = np.union1d(np.flatnonzero(codes), [codes.size - 1])
    gaps = np.diff(places, prepend=-1)
    between = [np.arange(end - gap + REACH, end, REACH) for end, gap in zip(places, gaps, strict=True)]
    places = np.union1d(places, np.concatenate(between))
    skipped = np.diff(places, prepend=-1) - 1
    return np.asarray(skipped << 4 | codes[places], np.uint8)


def _lead(windows: Windows, filters: int) -> int:
    """``Call.lead`` of blocks whose windows are read until their last output is written."""
    blocks = windows.pixels // BLOCK
    first = np.concatenate([np.arange(blocks) * BLOCK, np.arange(blocks * BLOCK, windows.pixels)])
    end = np.append(first[1:], windows.pixels)
    return max(int((end * filters - windows.starts[first]).max()), 0)


def _instructions(pixels: int, filters: int, steps: int) -> int:
    blocks, single = divmod(pixels, BLOCK)
    sums = (blocks * FOUR_INSTRUCTIONS + single * ONE_INSTRUCTIONS) * steps
    return sums + filters * (pixels * OUTPUT_INSTRUCTIONS + (blocks + single) * FILTER_INSTRUCTIONS) + 40 * pixels
