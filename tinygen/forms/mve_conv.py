"""Convolutions on MVE, two windows by four filters at a time: form ``mve``.

The windows are those of the DSP forms in ``conv_gemm.py``; so are the order of reading and writing, and
with it ``lead``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import ClassVar

from tinygen.forms.conv_gemm import DirectGemm, Geometry, RingGemm
from tinygen.forms.form import Candidate, Form, Target, register
from tinygen.forms.mve import BLOCK, VECTOR, pack_blocks, plain, vectors
from tinygen.forms.packing import Filters, filters_of
from tinygen.ir import Call, Constant, Graph, Param

__all__ = ["MveDirect", "MveRing"]

HEADER = "mve/tg_mve_conv.h"

# Counted in tg_mve_blocks.h: sixteen values of two windows by four filters, with half of a loop, a block besides.
# And measured around it: a pair of windows, the last filters if they fill no block.
VECTOR_INSTRUCTIONS = 15
BLOCK_INSTRUCTIONS = 31
PAIR_INSTRUCTIONS = 85
REST_INSTRUCTIONS = 90


class _MveConv(Form):
    """A driver around ``tg_mve_gemm``."""

    driver: ClassVar[str]
    sources: ClassVar[tuple[str, ...]]

    def candidates(self, call: Call, graph: Graph, target: Target) -> Iterator[Candidate]:
        params = _mapping(call.params, "filters")
        filters = filters_of(params)
        if not target.mve or int(str(call.params["groups"])) != 1 or not plain(filters):
            return
        geometry = self.windows(call, graph, filters)
        if geometry is None:
            return
        depth = filters.weights.shape[1]
        column = vectors(depth) * VECTOR
        gemm: dict[str, Param] = {
            "stream": Constant("stream", pack_blocks(filters)),
            "column_bytes": column,
            "channels": filters.count,
            "output_zero_point": filters.zero_point,
            "output_min": filters.low,
            "output_max": filters.high,
        }
        own = {**self.params(call, geometry, depth), "gemm": gemm}
        relu = "_relu" if filters.low >= filters.zero_point else ""
        name = f"tg_conv_{self.driver}_mve{relu}"
        shared = (f"mve/tg_mve_{self.driver}.c", "mve/tg_mve_gemm.c", f"mve/tg_mve_blocks{relu}.c")
        yield Candidate(
            form="mve",
            calls=(
                replace(
                    call,
                    kernel=name,
                    header=HEADER,
                    sources=(f"mve/{name}.c", *shared, *self.sources),
                    params=own,
                    scratch_bytes=2 * column + self.scratch_bytes(own),
                    lead={0: geometry.lead},
                ),
            ),
            instructions=self.fixed_instructions(own)
            + geometry.pairs * (self.pair_instructions(own) + _gemm_instructions(filters.count, column)),
            reason="2 windows x 4 filters x 16 values",
        )

    @abstractmethod
    def windows(self, call: Call, graph: Graph, filters: Filters) -> Geometry | None:
        """The windows as the DSP form of the same driver knows them."""

    @abstractmethod
    def params(self, call: Call, geometry: Geometry, depth: int) -> dict[str, Param]:
        """The fields of the kernel's struct before ``gemm``."""

    def scratch_bytes(self, params: Mapping[str, Param]) -> int:
        """Scratch besides the column."""
        del params
        return 0

    def fixed_instructions(self, params: Mapping[str, Param]) -> int:
        """Of a call, apart from its pairs of windows."""
        del params
        return 40

    @abstractmethod
    def pair_instructions(self, params: Mapping[str, Param]) -> int:
        """To copy a pair of windows."""


def _gemm_instructions(filters: int, column: int) -> int:
    blocks = -(-filters // BLOCK)
    rest = REST_INSTRUCTIONS if filters % BLOCK else 0
    return blocks * (BLOCK_INSTRUCTIONS + VECTOR_INSTRUCTIONS * (column // VECTOR)) + PAIR_INSTRUCTIONS + rest


@register
class MveDirect(_MveConv):
    """Windows that lie contiguous in the input."""

    replaces: ClassVar = ("tg_conv_direct",)
    driver: ClassVar = "direct"
    sources: ClassVar = ()

    def windows(self, call: Call, graph: Graph, filters: Filters) -> Geometry | None:
        return DirectGemm().geometry(call, graph, filters)

    def params(self, call: Call, geometry: Geometry, depth: int) -> dict[str, Param]:
        del call
        shared = ("pixels", "width", "stride_bytes", "row_bytes")
        return {**{name: geometry.params[name] for name in shared}, "depth": depth}

    def pair_instructions(self, params: Mapping[str, Param]) -> int:
        return 5 * vectors(int(str(params["depth"])))


@register
class MveRing(_MveConv):
    """All other convolutions of one image."""

    replaces: ClassVar = ("tg_conv_2d",)
    driver: ClassVar = "ring"
    sources: ClassVar = ("conv_gemm/tg_ring.c",)

    def windows(self, call: Call, graph: Graph, filters: Filters) -> Geometry | None:
        return RingGemm().geometry(call, graph, filters)

    def params(self, call: Call, geometry: Geometry, depth: int) -> dict[str, Param]:
        del depth
        patch = {name: int(str(value)) for name, value in _mapping(call.params, "patch").items()}
        ring, shared = _numbers(geometry.params, "ring"), geometry.params
        return {
            "ring": ring,
            "ring_bytes": ring["rows"] * ring["row_bytes"],
            **{name: shared[name] for name in ("pixels", "width", "stride_bytes", "stride_rows", "row_step", "reach")},
            "rows": patch["rows"],
            "kernel_step": patch["row_step"] % ring["rows"] * ring["row_bytes"],
            "pieces": patch["pieces"],
            "piece_bytes": patch["piece_bytes"],
            "piece_step": patch["piece_step"],
        }

    def scratch_bytes(self, params: Mapping[str, Param]) -> int:
        return int(str(params["ring_bytes"])) + 2 * VECTOR

    def fixed_instructions(self, params: Mapping[str, Param]) -> int:
        ring = _numbers(params, "ring")
        return 60 + 2 * int(str(params["ring_bytes"])) + ring["input_rows"] * (30 + ring["copied_bytes"] * 3 // 2)

    def pair_instructions(self, params: Mapping[str, Param]) -> int:
        rows, pieces, piece = (int(str(params[name])) for name in ("rows", "pieces", "piece_bytes"))
        return 2 * rows * (6 + pieces * (5 + 5 * vectors(piece)))


def _mapping(params: Mapping[str, Param], name: str) -> Mapping[str, Param]:
    inner = params[name]
    assert isinstance(inner, Mapping)
    return inner


def _numbers(params: Mapping[str, Param], name: str) -> dict[str, int]:
    return {key: value for key, value in _mapping(params, name).items() if isinstance(value, int)}
