"""Fully connected layers on DSP instructions: form ``pair8``, weights of two rows in a halfword.

``tg_dense_pair8.h`` describes the layout. Weights, bias and one factor take 1 byte a weight and 4 bytes a
row, as in the model file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tinygen.forms.form import Candidate, Form, Target, register
from tinygen.forms.packing import Filters, filters_of, words_of_halves
from tinygen.ir import Call, Constant, Graph, Param

__all__ = ["FullyConnectedPair8", "row_lead"]

Ints = NDArray[np.int64]
HEADER = "dense/tg_dense_pair8.h"

# Rows of a block, and inputs of a step.
ROWS = 4
STEP = 8
# 2^22 * zero point + 2^21 still leaves room for the rounded high word beside it.
EXPONENTS = range(1, 23)

# Counted in tg_dense_pair8.h (Cortex-M4): a step, two steps' loop, a block without its steps.
STEP_INSTRUCTIONS = 27
WIDEN_INSTRUCTIONS = 4
LOOP_INSTRUCTIONS = 3
BLOCK_INSTRUCTIONS = 44
CALL_INSTRUCTIONS = 120


@dataclass(frozen=True, slots=True)
class Way:
    """One of the two kernels: with the inputs widened once, or for each block."""

    form: str
    kernel: str
    rows: str
    scratch: bool
    step: int
    row: int
    reason: str


WAYS = (
    Way("pair8", "tg_fully_connected_pair8", "int16", True, STEP_INSTRUCTIONS, 13, "inputs widened once"),
    Way(
        "pair8_direct",
        "tg_fully_connected_pair8_direct",
        "int8",
        False,
        STEP_INSTRUCTIONS + WIDEN_INSTRUCTIONS,
        0,
        "no scratch memory",
    ),
)


@register
class FullyConnectedPair8(Form):
    """Four rows at a time; exact where exponents are plain and sums have 24 bits."""

    replaces: ClassVar = ("tg_fully_connected",)

    def candidates(self, call: Call, graph: Graph, target: Target) -> Iterator[Candidate]:
        if not target.dsp:
            return
        filters = filters_of(call.params)
        packed = _pack(filters)
        if packed is None:
            return
        p = {name: value for name, value in call.params.items() if isinstance(value, int)}
        inputs, outputs = p["inputs"], p["outputs"]
        steps, blocks = -(-inputs // STEP), -(-outputs // ROWS)
        params: dict[str, Param] = {
            "batches": p["batches"],
            "inputs": inputs,
            "outputs": outputs,
            "output_min": filters.low,
            "output_max": filters.high,
            **packed,
        }
        for way in WAYS:
            if not way.scratch and inputs % STEP:
                continue
            block = BLOCK_INSTRUCTIONS + steps * way.step + LOOP_INSTRUCTIONS * -(-steps // 2)
            yield Candidate(
                form=way.form,
                calls=(
                    replace(
                        call,
                        kernel=way.kernel,
                        header=HEADER,
                        sources=(
                            f"dense/{way.kernel}.c",
                            "dense/tg_dense_row.c",
                            f"dense/tg_dense_rows_{way.rows}.c",
                            *(("dense/tg_dense_widen.c",) if way.scratch else ()),
                        ),
                        params=params,
                        scratch_bytes=2 * STEP * steps if way.scratch else 0,
                        lead=row_lead(p["batches"], inputs, outputs) if way.scratch else {},
                        input_alignment=1 if way.scratch else 4,  # tg_dense_rows_int8 loads with LDM
                    ),
                ),
                instructions=p["batches"] * (blocks * block + way.row * steps + CALL_INSTRUCTIONS),
                reason=f"two rows a halfword, {way.reason}",
            )


def _pack(filters: Filters) -> dict[str, Param] | None:
    """``stream``, ``factors`` and ``factor_step`` of ``tg_dense_pair8_t``."""
    if filters.exponent.min() < EXPONENTS.start or filters.exponent.max() >= EXPONENTS.stop:
        return None
    if max(int(filters.magnitude.max()), int(np.abs(filters.weights).sum(axis=1).max()) * 128) >= 1 << 23:
        return None
    rows, depth = filters.weights.shape
    weights = np.zeros((-(-rows // ROWS) * ROWS, -(-depth // STEP) * STEP), np.int64)
    weights[:rows, :depth] = filters.weights
    both = weights[0::2] + 256 * weights[1::2]
    if both.min() < -(1 << 15) or both.max() >= 1 << 15:
        return None
    words = words_of_halves(both)  # [pairs of rows, fours of inputs, 2]
    blocks = words.reshape(len(weights) // ROWS, 2, -1, 2).transpose(0, 2, 1, 3).reshape(len(weights) // ROWS, -1)
    bias = _padded(filters.bias)
    bias[1::2] = 256 * bias[1::2] + bias[0::2]
    rounding = (1 << (filters.exponent - 1)) + (filters.zero_point << filters.exponent)
    factors = np.stack([_padded(v) for v in (filters.multiplier, rounding, filters.exponent)], axis=1)
    shared = bool((factors[:rows] == factors[0]).all())
    return {
        "stream": Constant("stream", _words(np.concatenate([bias.reshape(-1, ROWS), blocks], axis=1))),
        "factors": Constant("factors", _words(factors[:1] if shared else factors)),
        "factor_step": 0 if shared else 12,
    }


def _padded(values: Ints) -> Ints:
    """Repeats the last value to a whole block."""
    return np.pad(values, (0, -len(values) % ROWS), mode="edge")


def _words(values: Ints) -> NDArray[np.int32]:
    """The low 32 bits, flat."""
    return (values.reshape(-1) & 0xFFFFFFFF).astype(np.uint32).view(np.int32)


def row_lead(batches: int, inputs: int, outputs: int) -> dict[int, int]:
    """``Call.lead`` of rows that are read as a whole before they are written."""
    return {0: max(outputs - inputs, batches * (outputs - inputs), 0)}
