"""Few-valued and sparse int8 weights as codes of few bits.

``firmware/kernels/weights/tg_weights.h`` describes the encodings from the kernels' side. All of them stand for
exactly the int8 values that they were made of.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinygen.ir import Constant, Function, Param

__all__ = ["Coded", "encodings"]

Ints = NDArray[np.int64]

GROUP = 8
# Codes are loaded four bytes at a time, and of a whole group.
SURPLUS_BYTES = 3
DENSE_BITS, SPARSE_BITS = 4, 7

# Counted in tg_weights_lut.c (Cortex-M4, -Os): a value, a value that may be zero, a code for one that isn't; a group
# and a row besides.
VALUE_INSTRUCTIONS = 6
SPARSE_INSTRUCTIONS = 9
CODE_INSTRUCTIONS = 12
GROUP_INSTRUCTIONS = 10
ROW_INSTRUCTIONS = 40


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """Weights in one encoding.

    Attributes:
        name: ``lut4``, ``int4``, ``sparse_lut3``, ``sparse`` …
        params: of ``tg_weights_t``.
        sources: of its decoder.
        own: whether filters have tables of their own.
        bytes: of the arrays.
        plain_bytes: of the weights without an encoding.
        instructions: to decode all rows.
        reason: for the report.
    """

    name: str
    params: dict[str, Param]
    sources: tuple[str, ...]
    own: bool
    bytes: int
    plain_bytes: int
    instructions: int
    reason: str


def encodings(rows: Ints, *, paired: bool = False, own: bool = False) -> list[Coded]:
    """The encodings that none of the others beats in both bytes and instructions, the smallest first.

    Args:
        rows: int8 values in the order of decoding [rows, values].
        paired: even and odd values of a row belong to two filters, and make halfwords; a multiple of eight.
        own: rows are filters, or pairs of filters, and may have tables of their own.
    """
    found = sorted(_all(rows, paired, own), key=lambda c: (c.bytes, c.instructions))
    best: list[Coded] = []
    for coded in found:
        if not best or coded.instructions < best[-1].instructions:
            best.append(coded)
    return best


def _all(rows: Ints, paired: bool, own: bool) -> Iterator[Coded]:
    whole = rows.reshape(1, -1)
    shared = _tables(whole, DENSE_BITS)
    if shared is not None:
        yield _coded("lut", rows, whole, shared, paired=paired)
    if (rows == 0).any():
        yield _coded("sparse", rows, whole, VALUES, paired=paired, sparse=True)
        nonzero = _tables(np.where(whole == 0, _any_nonzero(whole), whole), SPARSE_BITS)
        if nonzero is not None:
            yield _coded("sparse_lut", rows, whole, nonzero, paired=paired, sparse=True)
    if own:
        members = _members(rows, paired)
        for kind, tables in (("lut", _tables(members, DENSE_BITS)), ("int", _factors(members))):
            if tables is not None:
                yield _coded(kind, rows, members, tables, paired=paired, own=True)


@dataclass(frozen=True, slots=True, eq=False)
class _Tables:
    """What codes stand for: [members, 2^bits], or factors [members, 1]; nothing where they are the values."""

    bits: int
    values: Ints
    linear: bool = False


VALUES = _Tables(8, np.zeros(0, np.int64))


def _members(rows: Ints, paired: bool) -> Ints:
    """The values of each filter, [filters, values]."""
    if not paired:
        return rows
    return rows.reshape(len(rows), -1, 2).transpose(0, 2, 1).reshape(2 * len(rows), -1)


def _any_nonzero(values: Ints) -> int:
    return int(values[values != 0][0]) if values.any() else 0


def _tables(members: Ints, most_bits: int) -> _Tables | None:
    distinct = [np.unique(m) for m in members]
    bits = max((max(len(d) for d in distinct) - 1).bit_length(), 1)
    if bits > most_bits:
        return None
    return _Tables(bits, np.stack([np.pad(d, (0, (1 << bits) - len(d)), mode="edge") for d in distinct]))


def _factors(members: Ints) -> _Tables | None:
    """The largest factor that all values of a filter have."""
    factors = np.maximum(np.gcd.reduce(members, axis=1), 1)[:, None]
    quotients = members // factors
    for bits in range(1, DENSE_BITS + 1):
        if quotients.min() >= -(1 << (bits - 1)) and quotients.max() < 1 << (bits - 1):
            return _Tables(bits, factors, linear=True)
    return None


def _coded(
    kind: str,
    rows: Ints,
    members: Ints,
    tables: _Tables,
    *,
    paired: bool,
    sparse: bool = False,
    own: bool = False,
) -> Coded:
    codes = _codes(members, tables)
    codes = codes.reshape(len(rows), 2, -1).transpose(0, 2, 1) if own and paired else codes
    codes = codes.reshape(rows.shape)
    groups = -(-rows.shape[1] // GROUP)
    if sparse:
        present = np.pad(rows != 0, ((0, 0), (0, -rows.shape[1] % GROUP)))
        stream = np.concatenate([np.packbits(present, bitorder="little"), _packed(codes[rows != 0][None], tables.bits)])
        count = int((rows != 0).sum())
        instructions = SPARSE_INSTRUCTIONS * rows.size + CODE_INSTRUCTIONS * count
    else:
        stream = np.pad(_packed(codes, tables.bits), (0, DENSE_BITS + SURPLUS_BYTES))
        instructions = VALUE_INSTRUCTIONS * groups * GROUP * len(rows)
    values = tables.values.reshape(-1).astype(np.int8)
    zeros = f", {float((rows == 0).mean()):.0%} zeros" if sparse else ""
    decoder = "tg_weights_sparse" if sparse else f"tg_weights_{kind}" + "_filters" * own
    return Coded(
        name=f"{kind}{tables.bits}" if tables is not VALUES else "sparse",
        params={
            "decode": Function(decoder),
            "codes": Constant("codes", stream),
            "values": Constant("values", values),
            "bits": tables.bits,
            "paired": int(paired),
            "rows": len(rows),
            "groups": groups,
            "row_bytes": rows.shape[1],
        },
        sources=tuple(
            f"weights/{name}.c" for name in dict.fromkeys((decoder, *(() if sparse else ("tg_weights_lut",))))
        ),
        own=own,
        bytes=stream.nbytes + values.nbytes,
        plain_bytes=rows.size,
        instructions=instructions + (GROUP_INSTRUCTIONS * groups + ROW_INSTRUCTIONS) * len(rows),
        reason=f"{np.unique(rows).size} values{zeros} in {tables.bits} bits" + (", tables by filter" if own else ""),
    )


def _codes(members: Ints, tables: _Tables) -> Ints:
    """The code of each value; of those that need none, any."""
    if tables.values.size == 0:
        return members & 0xFF
    if tables.linear:
        return members // tables.values + (1 << (tables.bits - 1))
    places = [np.searchsorted(np.unique(t), m) for t, m in zip(tables.values, members, strict=True)]
    codes: Ints = np.minimum(np.stack(places), (1 << tables.bits) - 1).astype(np.int64)
    return codes


def _packed(codes: Ints, bits: int) -> NDArray[np.uint8]:
    """Codes side by side, from the lowest bit on; each row begins a byte."""
    each = (codes[:, :, None] >> np.arange(bits)) & 1
    return np.packbits(each.astype(np.uint8).reshape(len(codes), -1), axis=1, bitorder="little").reshape(-1)
