"""Few-valued and sparse int8 weights as codes of few bits.

``firmware/kernels/weights/tg_weights.h`` describes the encodings from the kernels' side. All of them stand for
exactly the int8 values that they were made of.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinygen.ir import Constant, Param

__all__ = ["Coded", "encodings"]

Ints = NDArray[np.int64]

GROUP = 8
# Codes are loaded four bytes at a time, and the last of them starts with the last byte that counts.
SURPLUS_BYTES = 3
MAX_TABLE_BITS = 7
SPARSE, PAIRED, OWN, LINEAR = 1, 2, 4, 8  # TG_WEIGHTS_...

# Counted in tg_weights_row.c (Cortex-M4, -Os): a value, a code for it, a group and a row besides.
VALUE_INSTRUCTIONS = 6
CODE_INSTRUCTIONS = 10
GROUP_INSTRUCTIONS = 10
ROW_INSTRUCTIONS = 40


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """Weights in one encoding.

    Attributes:
        name: ``lut4``, ``int4``, ``sparse_lut3`` …, with ``_rows`` where filters have tables of their own.
        params: ``codes``, ``values``, ``bits``, ``flags``, ``rows`` and ``groups`` of ``tg_weights_t``.
        bytes: of the arrays.
        instructions: to decode all rows.
        reason: for the report.
    """

    name: str
    params: dict[str, Param]
    bytes: int
    instructions: int
    reason: str


def encodings(rows: Ints, *, paired: bool = False, own: bool = False) -> list[Coded]:
    """The encodings that none of the others beats in both bytes and instructions, the smallest first.

    Args:
        rows: int8 values in the order of decoding [rows, 8 * groups].
        paired: even and odd values of a row belong to two filters, and make halfwords.
        own: rows are filters, or pairs of filters, and may have tables of their own.
    """
    found = sorted(_all(rows, paired, own), key=lambda c: (c.bytes, c.instructions))
    best: list[Coded] = []
    for coded in found:
        if not best or coded.instructions < best[-1].instructions:
            best.append(coded)
    return best


def _all(rows: Ints, paired: bool, own: bool) -> Iterator[Coded]:
    for sparse in (False, True):
        if sparse and not (rows == 0).any():
            continue
        for owns in (False, True) if own else (False,):
            members = _members(rows, paired, owns)
            tables = _tables(members, sparse)
            if tables is not None:
                yield _coded("lut", rows, members, tables, sparse=sparse, paired=paired, own=owns)
            yield _coded("int", rows, members, _factors(members), sparse=sparse, paired=paired, own=owns)


@dataclass(frozen=True, slots=True, eq=False)
class _Tables:
    """What codes stand for: [members, 2^bits], or factors [members, 1]."""

    bits: int
    values: Ints
    linear: bool = False


def _members(rows: Ints, paired: bool, own: bool) -> Ints:
    """The values that share a table, [tables, values]."""
    if not own:
        return rows.reshape(1, -1)
    if not paired:
        return rows
    return rows.reshape(len(rows), -1, 2).transpose(0, 2, 1).reshape(2 * len(rows), -1)


def _tables(members: Ints, sparse: bool) -> _Tables | None:
    distinct = [np.unique(m[m != 0] if sparse else m) for m in members]
    most = max(len(d) for d in distinct)
    bits = max((most - 1).bit_length(), 1)
    if bits > MAX_TABLE_BITS:
        return None
    values = np.zeros((len(members), 1 << bits), np.int64)
    for row, d in zip(values, distinct, strict=True):
        row[: len(d)] = d
        row[len(d) :] = d[-1] if len(d) else 0
    return _Tables(bits, values)


def _factors(members: Ints) -> _Tables:
    """The largest factor that all values have; 8 bits are always enough."""
    factors = np.maximum(np.gcd.reduce(members, axis=1), 1)[:, None]
    quotients = members // factors
    bits = next(b for b in range(1, 9) if quotients.min() >= -(1 << (b - 1)) and quotients.max() < 1 << (b - 1))
    return _Tables(bits, factors, linear=True)


def _coded(kind: str, rows: Ints, members: Ints, tables: _Tables, *, sparse: bool, paired: bool, own: bool) -> Coded:
    codes = _codes(members, tables)
    if own and paired:
        codes = codes.reshape(len(rows), 2, -1).transpose(0, 2, 1)
    flat = codes.reshape(-1)
    masks = np.zeros(0, np.uint8)
    if sparse:
        present = rows.reshape(-1) != 0
        flat = flat[present]
        masks = np.packbits(present, bitorder="little")
    stream = np.concatenate([masks, _packed(flat, tables.bits), np.zeros(SURPLUS_BYTES, np.uint8)])
    values = tables.values.reshape(-1).astype(np.int8)
    shown = int(np.unique(rows).size)
    zeros = float((rows == 0).mean())
    groups = rows.shape[1] // GROUP
    return Coded(
        name=f"{'sparse_' * sparse}{kind}{tables.bits}{'_rows' * own}",
        params={
            "codes": Constant("codes", stream),
            "values": Constant("values", values),
            "tails": Constant("tails", np.zeros(0, np.int32)),
            "bits": tables.bits,
            "flags": SPARSE * sparse | PAIRED * paired | OWN * own | LINEAR * tables.linear,
            "rows": len(rows),
            "groups": groups,
            "row_bytes": rows.shape[1],
        },
        bytes=stream.nbytes + values.nbytes,
        instructions=VALUE_INSTRUCTIONS * rows.size
        + CODE_INSTRUCTIONS * flat.size
        + (GROUP_INSTRUCTIONS * groups + ROW_INSTRUCTIONS) * len(rows),
        reason=f"{shown} values" + (f", {zeros:.0%} zeros" if sparse else "") + f" in {tables.bits} bits",
    )


def _codes(members: Ints, tables: _Tables) -> Ints:
    """The code of each value; of those that need none, any."""
    if tables.linear:
        return members // tables.values + (1 << (tables.bits - 1))
    places = [np.searchsorted(np.unique(t), m) for t, m in zip(tables.values, members, strict=True)]
    codes: Ints = np.minimum(np.stack(places), (1 << tables.bits) - 1).astype(np.int64)
    return codes


def _packed(codes: Ints, bits: int) -> NDArray[np.uint8]:
    """Codes side by side, from the lowest bit on."""
    each = (codes[:, None] >> np.arange(bits)) & 1
    return np.packbits(each.astype(np.uint8).reshape(-1), bitorder="little")
