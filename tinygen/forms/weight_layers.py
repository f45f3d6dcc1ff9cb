"""Layers whose int8 weights lie encoded in flash, in front of any kernel that can read them decoded.

A form here is another form, or the portable kernel, behind a decoder: ``pair8+lut4`` decodes 4-bit codes to the
stream of ``pair8``. Convolutions decode all their weights into scratch memory first, fully connected layers a row
or a block of rows at a time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tinygen.forms.estimate import portable_instructions
from tinygen.forms.form import Candidate, Form, Target, forms_for, register
from tinygen.forms.weight_codes import GROUP, Coded, encodings
from tinygen.ir import Call, Constant, Graph, Param

__all__ = ["CodedWeights"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """What a decoder must make for a call.

    Attributes:
        coded: how its weights can be encoded.
        weights: fields of ``tg_weights_t`` that differ from those in ``coded``.
        layer: the call's parameters with other weights.
        bytes: of scratch memory for what is decoded.
    """

    coded: list[Coded]
    weights: dict[str, Param]
    layer: Mapping[str, Param]
    bytes: int


class Layer(ABC):
    """How one kind of kernel reads its weights."""

    header: ClassVar[str]
    sources: ClassVar[tuple[str, ...]] = ("weights/tg_weights_all.c",)

    @abstractmethod
    def decoded(self, call: Call) -> Decoded | None:
        """``None`` if the call's weights can't be decoded for it."""


@dataclass(frozen=True, slots=True)
class Plain(Layer):
    """Filters one after the other, as the portable kernels read them.

    Attributes:
        path: names of the nested structs that hold ``weights``.
    """

    header: str  # type: ignore[misc]
    path: tuple[str, ...] = ()

    def decoded(self, call: Call) -> Decoded:
        weights = _at(call.params, (*self.path, "weights"))
        assert isinstance(weights, Constant)
        filters = len(_array(_at(call.params, (*self.path, "channels", "bias"))))
        values = _array(weights).reshape(filters, -1)
        flat = encodings(values.reshape(1, -1))
        own = [c for c in encodings(values, own=True) if c.own]
        layer = _with(call.params, (*self.path, "weights"), Constant("weights", np.zeros(0, np.int8)))
        return Decoded(flat + own, {}, layer, values.size + GROUP)


class Pair8(Layer):
    """The stream of ``tg_gemm_pair8``: words of two filters, then four words that lie apart in flash."""

    header: ClassVar = "weights/tg_coded_gemm.h"

    def decoded(self, call: Call) -> Decoded:
        gemm = call.params["gemm"]
        assert isinstance(gemm, Mapping)
        words = 2 * int(str(gemm["steps"]))
        stream = _array(gemm["stream"]).astype(np.int32).reshape(-1, words + 4)
        rows = _bytes_of_pairs(stream[:, :words])
        tails: dict[str, Param] = {
            "tails": Constant("tails", np.ascontiguousarray(stream[:, words:]).reshape(-1)),
            "row_bytes": 4 * (words + 4),
        }
        layer = _with(call.params, ("gemm", "stream"), Constant("stream", np.zeros(0, np.int32)))
        return Decoded(encodings(rows, paired=True, own=True), tails, layer, 4 * stream.size)


class DenseRows(Layer):
    """One row of a matrix at a time."""

    header: ClassVar = "weights/tg_coded_dense.h"
    sources: ClassVar[tuple[str, ...]] = ()

    def decoded(self, call: Call) -> Decoded | None:
        if call.params["batches"] != 1:
            return None
        weights = _array(call.params["weights"])
        rows = weights.reshape(int(str(call.params["outputs"])), -1)
        layer = _with(call.params, ("weights",), Constant("weights", np.zeros(0, np.int8)))
        return Decoded(encodings(rows, own=True), {}, layer, rows.shape[1] + GROUP)


class DenseBlocks(Layer):
    """A block of four rows of ``tg_dense_pair8_t`` at a time; their biases stay as they are."""

    header: ClassVar = "weights/tg_coded_dense.h"
    sources: ClassVar[tuple[str, ...]] = ()

    def decoded(self, call: Call) -> Decoded | None:
        if call.params["batches"] != 1:
            return None
        words = int(str(call.params["inputs"]))  # four rows of bytes
        stream = _array(call.params["stream"]).astype(np.int32).reshape(-1, 4 + words)
        rows = _bytes_of_pairs(stream[:, 4:])
        heads = np.ascontiguousarray(stream[:, :4]).reshape(-1)
        layer = _with(call.params, ("stream",), Constant("stream", heads))
        return Decoded(encodings(rows, paired=True), {}, layer, 16 + rows.shape[1])


LAYERS: Mapping[str, Layer] = {
    "tg_conv_2d": Plain("weights/tg_coded_conv.h", ("filters",)),
    "tg_conv_direct": Plain("weights/tg_coded_conv.h", ("filters",)),
    "tg_depthwise_conv_2d": Plain("weights/tg_coded_conv.h", ("filters",)),
    "tg_depthwise_3x3_int8": Plain("weights/tg_coded_depthwise.h"),
    "tg_depthwise_taps_int8": Plain("weights/tg_coded_depthwise.h"),
    "tg_conv_ring_pair8": Pair8(),
    "tg_conv_direct_pair8": Pair8(),
    "tg_fully_connected": DenseRows(),
    "tg_fully_connected_pair8_direct": DenseBlocks(),
}


@register
class CodedWeights(Form):
    """A decoder in front of another form."""

    replaces: ClassVar = ("tg_conv_2d", "tg_conv_direct", "tg_depthwise_conv_2d", "tg_fully_connected")

    def candidates(self, call: Call, graph: Graph, target: Target) -> Iterator[Candidate]:
        plain = LAYERS[call.kernel].decoded(call)
        if plain is None or all(c.bytes >= c.plain_bytes for c in plain.coded):
            return
        portable = Candidate("portable", (call,), portable_instructions(call, graph))
        others = [f for f in forms_for(call.kernel) if f is not self]
        for inner in (portable, *(c for f in others for c in f.candidates(call, graph, target))):
            yield from _behind_decoder(inner)


def _behind_decoder(inner: Candidate) -> Iterator[Candidate]:
    (call,) = inner.calls
    layer = LAYERS.get(call.kernel)
    decoded = layer.decoded(call) if layer else None
    if layer is None or decoded is None:
        return
    room = -(-decoded.bytes // 8) * 8
    name = call.kernel.removeprefix("tg_")
    for coded in decoded.coded:
        candidate = Candidate(
            form=f"{inner.form}+{coded.name}",
            calls=(
                replace(
                    call,
                    kernel=f"tg_coded_{name}",
                    header=layer.header,
                    sources=(f"weights/tg_coded_{name}.c", *layer.sources, *coded.sources, *call.sources),
                    params={
                        "weights": {**coded.params, **decoded.weights},
                        "decoded_bytes": room,
                        "layer": decoded.layer,
                    },
                    scratch_bytes=room + call.scratch_bytes,
                ),
            ),
            instructions=inner.instructions + coded.instructions,
            reason=", ".join(filter(None, (coded.reason, inner.reason))),
        )
        if candidate.flash_bytes < inner.flash_bytes:
            yield candidate


def _bytes_of_pairs(words: NDArray[np.int32]) -> Ints:
    """The values a, b of each halfword a + 256 b, [rows, 4 * words]."""
    halves = np.ascontiguousarray(words).view(np.int16).astype(np.int64)
    a = ((halves & 0xFF) ^ 0x80) - 0x80
    return np.stack([a, (halves - a) >> 8], axis=-1).reshape(len(words), -1)


def _at(params: Mapping[str, Param], path: tuple[str, ...]) -> Param:
    value: Param = params
    for name in path:
        assert isinstance(value, Mapping)
        value = value[name]
    return value


def _with(params: Mapping[str, Param], path: tuple[str, ...], value: Param) -> dict[str, Param]:
    """The parameters with another value somewhere inside."""
    first, *rest = path
    inner = params[first]
    if rest:
        assert isinstance(inner, Mapping)
        value = _with(inner, tuple(rest), value)
    return {**params, first: value}


def _array(param: Param) -> Ints:
    assert isinstance(param, Constant)
    return np.asarray(param.data).astype(np.int64)
