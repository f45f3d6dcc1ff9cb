"""Layers whose int8 weights lie encoded in flash, in front of any kernel that can read them decoded.

A form here is another form, or the portable kernel, behind a decoder: ``pair8+lut4`` decodes 4-bit codes to the
stream of ``pair8``. Convolutions decode all their weights into scratch memory first, fully connected layers a row
or a block of rows at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tinygen.forms.decoding import Decoder, Path, at, behind_decoder, replaced
from tinygen.forms.estimate import portable_instructions
from tinygen.forms.form import Candidate, Form, Target, forms_for, register
from tinygen.forms.weight_codes import GROUP, Coded, encodings
from tinygen.ir import Call, Constant, Graph, Param
from tinygen.plan import ALIGNMENT

__all__ = ["CodedWeights"]

Ints = NDArray[np.int64]
HEADER = "weights/tg_weights.h"


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """What a decoder must make for a kernel.

    Attributes:
        coded: how the weights can be encoded.
        bytes: of scratch memory for what is decoded.
        params: the kernel's parameters, if it decodes for itself as it goes.
    """

    coded: list[Coded]
    bytes: int
    params: Mapping[str, Param] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Layer:
    """How one kind of kernel reads its weights.

    Attributes:
        weights: where in its parameters they are.
        decoded: ``None`` if the call's weights can't be decoded for it.
    """

    weights: Path
    decoded: Callable[[Call, Path], Decoded | None]


def _filters(call: Call, weights: Path) -> Decoded:
    """Filters one after the other, as the portable kernels read them."""
    filters = len(_array(at(call.params, (*weights[:-1], "channels", "bias"))))
    values = _array(at(call.params, weights)).reshape(filters, -1)
    own = [c for c in encodings(values, own=True) if c.own]
    return Decoded(encodings(values.reshape(1, -1)) + own, values.size + GROUP)


def _pairs(call: Call, weights: Path) -> Decoded:
    """The stream of ``tg_gemm_pair8``."""
    stream = _array(at(call.params, weights)).astype(np.int32)
    words = 2 * int(str(at(call.params, ("gemm", "steps"))))
    return Decoded(encodings(_bytes_of_pairs(stream.reshape(-1, words)), paired=True, own=True), stream.size * 4)


def _dense_rows(call: Call, weights: Path) -> Decoded | None:
    """One row of a matrix at a time."""
    if call.params["batches"] != 1:
        return None
    rows = _array(at(call.params, weights)).reshape(int(str(call.params["outputs"])), -1)
    layer = replaced(call.params, weights, Constant("weights", np.zeros(0, np.int8)))
    return Decoded(encodings(rows, own=True), rows.shape[1] + GROUP, layer)


def _dense_blocks(call: Call, weights: Path) -> Decoded | None:
    """A block of four rows of ``tg_dense_pair8_t`` at a time; their biases stay as they are."""
    if call.params["batches"] != 1:
        return None
    words = int(str(call.params["inputs"]))  # four rows of bytes
    stream = _array(at(call.params, weights)).astype(np.int32).reshape(-1, 4 + words)
    rows = _bytes_of_pairs(stream[:, 4:])
    heads = np.ascontiguousarray(stream[:, :4]).reshape(-1)
    return Decoded(
        encodings(rows, paired=True), 16 + rows.shape[1], replaced(call.params, weights, Constant("stream", heads))
    )


LAYERS: Mapping[str, Layer] = {
    "tg_conv_2d": Layer(("filters", "weights"), _filters),
    "tg_conv_direct": Layer(("filters", "weights"), _filters),
    "tg_depthwise_conv_2d": Layer(("filters", "weights"), _filters),
    "tg_depthwise_3x3_int8": Layer(("weights",), _filters),
    "tg_depthwise_taps_int8": Layer(("weights",), _filters),
    "tg_conv_ring_pair8": Layer(("gemm", "stream"), _pairs),
    "tg_conv_direct_pair8": Layer(("gemm", "stream"), _pairs),
    "tg_fully_connected": Layer(("weights",), _dense_rows),
    "tg_fully_connected_pair8_direct": Layer(("stream",), _dense_blocks),
}


@register
class CodedWeights(Form):
    """A decoder in front of another form."""

    replaces: ClassVar = ("tg_conv_2d", "tg_conv_direct", "tg_depthwise_conv_2d", "tg_fully_connected")

    def candidates(self, call: Call, graph: Graph, target: Target) -> Iterator[Candidate]:
        layer = LAYERS[call.kernel]
        plain = layer.decoded(call, layer.weights)
        if plain is None or all(c.bytes >= c.plain_bytes for c in plain.coded):
            return
        portable = Candidate("portable", (call,), portable_instructions(call, graph))
        others = [f for f in forms_for(call.kernel) if f is not self]
        for inner in (portable, *(c for f in others for c in f.candidates(call, graph, target))):
            yield from _decoded(inner)


def _decoded(inner: Candidate) -> Iterator[Candidate]:
    """The candidate with its weights in each encoding that takes less flash."""
    (call,) = inner.calls
    layer = LAYERS.get(call.kernel)
    decoded = layer.decoded(call, layer.weights) if layer else None
    if layer is None or decoded is None:
        return
    for coded in decoded.coded:
        candidate = replace(
            inner,
            form=f"{inner.form}+{coded.name}",
            calls=(
                _with_decoder(call, decoded, coded) if decoded.params else _behind_decoder(call, layer, decoded, coded),
            ),
            instructions=inner.instructions + coded.instructions,
            reason=", ".join(filter(None, (coded.reason, inner.reason))),
        )
        if candidate.flash_bytes < inner.flash_bytes:
            yield candidate


def _behind_decoder(call: Call, layer: Layer, decoded: Decoded, coded: Coded) -> Call:
    """All weights are decoded first."""
    sources = ("weights/tg_weights_all.c", *coded.sources)
    decoder = Decoder("tg_weights_all", HEADER, sources, coded.params, decoded.bytes, {layer.weights: 0})
    return behind_decoder(call, decoder)


def _with_decoder(call: Call, decoded: Decoded, coded: Coded) -> Call:
    """The kernel around this one decodes as it goes."""
    name = call.kernel.removeprefix("tg_")
    room = -(-decoded.bytes // ALIGNMENT) * ALIGNMENT
    return replace(
        call,
        kernel=f"tg_coded_{name}",
        header="weights/tg_coded_dense.h",
        sources=(f"weights/tg_coded_{name}.c", *coded.sources, *call.sources),
        params={"weights": coded.params, "layer": decoded.params},
        scratch_bytes=room + call.scratch_bytes,
    )


def _bytes_of_pairs(words: NDArray[np.int32]) -> Ints:
    """The values a, b of each halfword a + 256 b, [rows, 4 * words]."""
    halves = np.ascontiguousarray(words).view(np.int16).astype(np.int64)
    a = ((halves & 0xFF) ^ 0x80) - 0x80
    return np.stack([a, (halves - a) >> 8], axis=-1).reshape(len(words), -1)


def _array(param: Param) -> Ints:
    assert isinstance(param, Constant)
    return np.asarray(param.data).astype(np.int64)
