"""Convolutions on the DSP micro-kernels that multiply two windows by two filters at a time.

Forms ``int16`` (weights take two bytes, fastest) and ``pair8`` (weights of two filters share a halfword,
small). Both exist for windows that lie contiguous in the input and for all others, whose input rows pass
through a ring in scratch memory: a row is read once, so the output may follow the input closely.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tinygen.forms.form import Candidate, Form, Target, register
from tinygen.forms.packing import Filters, Packed, filters_of, pack_int16, pack_pair8
from tinygen.ir import Call, Constant, Graph, Param

__all__ = ["DirectGemm", "Geometry", "RingGemm"]

Ints = NDArray[np.int64]
HEADER = "conv_gemm/tg_conv_gemm.h"
# What both drivers call.
SHARED = ("conv_gemm/tg_column_words.c", "conv_gemm/tg_gemm_clamp.c")


@dataclass(frozen=True, slots=True)
class MicroKernel:
    """One of the two micro-kernels.

    Attributes:
        pack: makes its stream, or says that the layer misses a precondition.
        step: instructions of a step of four values: 16 multiply-accumulates.
        pair: instructions of a pair of filters besides, counted in the source, by ``requantize``
            (int16: short, general, sums alone).
        unroll: steps in the unrolled loop at -O2; only layers with more turn it.
    """

    name: str
    pack: Callable[[Filters, Ints], Packed | None]
    step: int
    pair: Callable[[int], int]
    unroll: int

    def instructions(self, steps: int, filters: int, requantize: int) -> int:
        """Of one call."""
        turns = 3 * -(-steps // self.unroll) + 1 if steps > self.unroll else 0
        return 32 + -(-filters // 2) * (self.pair(requantize) + self.step * steps + turns)


MICRO_KERNELS = (
    MicroKernel("int16", pack_int16, 10, lambda requantize: (20, 30, 10)[requantize], 16),
    MicroKernel("pair8", pack_pair8, 12, lambda _: 39, 16),
)


@dataclass(frozen=True, slots=True)
class Geometry:
    """What a form needs to know about a layer's windows.

    Attributes:
        params: the fields of the kernel's struct before ``gemm``.
        order: for each value of a column its place in a filter, or -1.
        scratch_bytes: of the whole kernel.
        lead: see ``Call.lead``.
        pair_instructions: to build a column, clamp aside.
        fixed_instructions: to fill the ring.
        pairs: of windows.
    """

    params: Mapping[str, Param]
    order: Ints
    scratch_bytes: int
    lead: int
    pair_instructions: int
    fixed_instructions: int
    pairs: int

    @property
    def steps(self) -> int:
        return len(self.order) // 4


class _GemmForm(Form):
    """A driver around the micro-kernels."""

    driver: ClassVar[str]
    sources: ClassVar[tuple[str, ...]]

    def candidates(self, call: Call, graph: Graph, target: Target) -> Iterator[Candidate]:
        params = _mapping(call.params, "filters")
        filters = filters_of(params)
        if not target.dsp or int(str(call.params["groups"])) != 1 or filters.count < 2:
            return
        geometry = self.geometry(call, graph, filters)
        if geometry is None:
            return
        for kernel in MICRO_KERNELS:
            packed = kernel.pack(filters, geometry.order)
            if packed is not None:
                yield self._candidate(call, kernel, filters, geometry, packed)

    @abstractmethod
    def geometry(self, call: Call, graph: Graph, filters: Filters) -> Geometry | None:
        """The windows of a call, or ``None`` if the driver doesn't serve them."""

    def _candidate(
        self, call: Call, kernel: MicroKernel, filters: Filters, geometry: Geometry, packed: Packed
    ) -> Candidate:
        gemm: dict[str, Param] = {
            "stream": Constant("stream", packed.stream),
            "steps": geometry.steps,
            "channels": filters.count,
            "requantize": packed.requantize,
            "constants": Constant("constants", packed.constants),
            "output_min": np.int8(filters.low),
            "output_max": np.int8(filters.high),
        }
        name = f"tg_conv_{self.driver}_{kernel.name}"
        own = (f"conv_gemm/{name}.c", f"conv_gemm/tg_gemm_{kernel.name}.c")
        clamped = filters.low > -128 or filters.high < 127
        pair = geometry.pair_instructions + kernel.instructions(geometry.steps, filters.count, packed.requantize)
        return Candidate(
            form=kernel.name,
            calls=(
                replace(
                    call,
                    kernel=name,
                    header=HEADER,
                    sources=(*own, *self.sources),
                    params={**geometry.params, "gemm": gemm},
                    scratch_bytes=geometry.scratch_bytes,
                    lead={0: geometry.lead},
                ),
            ),
            instructions=geometry.fixed_instructions + geometry.pairs * (pair + clamped * (20 + 4 * filters.count)),
            reason="2 windows x 2 filters" + (", short requantization" if packed.requantize == 0 else ""),
        )


@register
class DirectGemm(_GemmForm):
    """Windows that lie contiguous in the input: read where they are."""

    replaces: ClassVar = ("tg_conv_direct",)
    driver: ClassVar = "direct"
    sources: ClassVar = ("conv_gemm/tg_conv_direct_gemm.c", *SHARED)

    def geometry(self, call: Call, graph: Graph, filters: Filters) -> Geometry | None:
        p = _numbers(call.params)
        height, width = p["height"], p["width"]
        if p["stride_row_bytes"] == width * p["stride_bytes"]:  # rows of windows join into one
            height, width = 1, height * width
        if p["batches"] > 1:
            if height > 1 or p["input_image_bytes"] != width * p["stride_bytes"]:
                return None
            width *= p["batches"]
        pixels = height * width
        depth = filters.weights.shape[1]
        words, rest = divmod(depth, 4)
        order = np.full(-(-depth // 4) * 4, -1, np.int64)
        order[:depth] = np.arange(depth)
        start = np.arange(height)[:, None] * p["stride_row_bytes"] + np.arange(width) * p["stride_bytes"]
        size = graph.tensors[call.inputs[0].tensor].bytes
        return Geometry(
            params={
                "pixels": pixels,
                "width": width,
                "stride_bytes": p["stride_bytes"],
                "row_bytes": p["stride_row_bytes"],
                "words": words,
                "rest": rest,
            },
            order=order,
            scratch_bytes=4 * len(order),
            lead=_lead(start.reshape(-1), filters.count, size),
            pair_instructions=40 + 9 * words + 8 * rest,
            fixed_instructions=30,
            pairs=-(-pixels // 2),
        )


@register
class RingGemm(_GemmForm):
    """All other convolutions of one image: windows are read from the last input rows, kept in a ring."""

    replaces: ClassVar = ("tg_conv_2d",)
    driver: ClassVar = "ring"
    sources: ClassVar = ("conv_gemm/tg_conv_ring_gemm.c", "conv_gemm/tg_column_rows.c", "conv_gemm/tg_ring.c", *SHARED)

    def geometry(self, call: Call, graph: Graph, filters: Filters) -> Geometry | None:
        scan, patch = _numbers(_mapping(call.params, "scan")), _numbers(_mapping(call.params, "patch"))
        if scan["batches"] != 1:
            return None
        height, width = scan["output_height"], scan["output_width"]
        pieces, piece, words, rest = patch["pieces"], patch["piece_bytes"], *divmod(patch["piece_bytes"], 4)
        reach = (patch["rows"] - 1) * patch["row_step"] + 1
        rows = reach + (scan["stride_rows"] if width % 2 and height > 1 else 0)
        pad_bytes = -scan["first_byte"]
        used = (width - 1) * scan["stride_bytes"] + (pieces - 1) * patch["piece_step"] + piece
        copied = min(patch["input_row_bytes"], used - pad_bytes)
        row_bytes = -(-max(used, pad_bytes + copied) // 4) * 4
        rest_words = -(-patch["rows"] * pieces * rest // 4)
        order = _order(patch["rows"], pieces, words, rest, rest_words)
        pairs = -(-height * width // 2)
        return Geometry(
            params={
                "ring": {
                    "rows": rows,
                    "row_bytes": row_bytes,
                    "pad_rows": -scan["first_row"],
                    "pad_bytes": pad_bytes,
                    "fill": patch["fill"],
                    "input_rows": patch["input_height"],
                    "input_row_bytes": patch["input_row_bytes"],
                    "copied_bytes": copied,
                },
                "pixels": height * width,
                "width": width,
                "stride_bytes": scan["stride_bytes"],
                "stride_rows": scan["stride_rows"],
                "row_step": scan["stride_rows"] % rows * row_bytes,
                "reach": reach,
                "pieces": pieces,
                "piece_step": patch["piece_step"],
                "taps": {
                    "words": words,
                    "rest": rest,
                    "rows": patch["rows"],
                    "step": patch["row_step"] % rows * row_bytes - 4 * words,
                    "ring_bytes": rows * row_bytes,
                    "rests_bytes": 4 * rest_words + 4,
                },
                "rest_words": rest_words,
            },
            order=order,
            scratch_bytes=4 * len(order) + 8 * (rest_words + 1) + rows * row_bytes + 4,
            lead=_ring_lead(scan, patch, reach, filters.count),
            pair_instructions=60 + patch["rows"] * (14 + pieces * (8 + 9 * words + 7 * rest)) + 9 * rest_words,
            fixed_instructions=60 + 2 * rows * row_bytes + patch["input_height"] * (30 + copied * 3 // 2),
            pairs=pairs,
        )


def _order(rows: int, pieces: int, words: int, rest: int, rest_words: int) -> Ints:
    """Places in a filter of a column's values: whole words of each piece of all kernel rows, then all rests."""
    place = np.arange(rows * pieces * (4 * words + rest), dtype=np.int64).reshape(rows, pieces, -1).transpose(1, 0, 2)
    rests = np.full(4 * rest_words, -1, np.int64)
    rests[: rows * pieces * rest] = place[:, :, 4 * words :].reshape(-1)
    return np.concatenate([place[:, :, : 4 * words].reshape(-1), rests])


def _lead(start: Ints, channels: int, size: int) -> int:
    """``Call.lead`` of pixels written by pairs, each after its two windows have been read.

    Args:
        start: the first input byte of each window, ascending.
        channels: bytes of an output pixel.
        size: of the input.
    """
    needed = np.append(start[2::2], size)  # by the pair that follows
    written = np.minimum(np.arange(2, len(start) + 2, 2), len(start)) * channels
    return max(int((written - needed[: len(written)]).max()), 0)


def _ring_lead(scan: Mapping[str, int], patch: Mapping[str, int], reach: int, channels: int) -> int:
    """The same for windows read from the ring: what has been copied is no longer needed."""
    pixels = scan["output_height"] * scan["output_width"]
    last = np.minimum(np.arange(1, pixels + 1, 2), pixels - 1)  # second window of each pair
    loaded = last // scan["output_width"] * scan["stride_rows"] + reach + scan["first_row"]
    loaded = np.clip(loaded, 0, patch["input_height"])
    loaded[loaded == loaded[-1]] = patch["input_height"]  # nothing is read any more
    return max(int(((last + 1) * channels - loaded * patch["input_row_bytes"]).max()), 0)


def _mapping(params: Mapping[str, Param], name: str) -> Mapping[str, Param]:
    inner = params[name]
    assert isinstance(inner, Mapping)
    return inner


def _numbers(params: Mapping[str, Param]) -> dict[str, int]:
    return {name: value for name, value in params.items() if isinstance(value, int)}
