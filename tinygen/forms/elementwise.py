"""ADD and SUB as one linear function of the stored values: form ``linear``, on every target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tinygen.forms.form import Candidate, Form, Target, register
from tinygen.ir import Call, Graph, Param
from tinygen.lower.requantize import Rescale, multiply_by_quantized_multiplier

__all__ = ["AddLinear", "Linear", "linear_sum", "sums"]

Ints = NDArray[np.int64]

# TG_ADD_LINEAR_SHIFT.
SHIFT = 21
# How far from the exact factors coefficients are looked for: 496 of 500 random quantizations fit somewhere
# (467 with 22 fraction bits, where sums of large factors overflow; 454 with 20).
REACH = sorted(range(-6, 7), key=abs)
STORED = np.arange(-128, 128, dtype=np.int64)

# Measured on Cortex-M4 (gcc -O2): two loads, two multiplications, a saturation, a store; a fourth of the loop.
ELEMENT_INSTRUCTIONS = 7.25
CLAMP_INSTRUCTIONS = 2
CALL_INSTRUCTIONS = 40


@dataclass(frozen=True, slots=True)
class Linear:
    """(first * a + second * b + offset) >> SHIFT."""

    first: int
    second: int
    offset: int

    def outputs(self) -> Ints:
        """[256, 256]: of all pairs of stored values, before any clamp."""
        return (self.first * STORED[:, None] + self.second * STORED[None, :] + self.offset) >> SHIFT

    @property
    def fits(self) -> bool:
        """Whether no sum, in whatever order it is made, leaves 32 bits."""
        return (abs(self.first) + abs(self.second)) * 128 + abs(self.offset) < 1 << 31


@register
class AddLinear(Form):
    """Operands of one shape; the arithmetic is compared with TFLM's on all pairs of values."""

    replaces: ClassVar = ("tg_add",)

    def candidates(self, call: Call, graph: Graph, target: Target) -> Iterator[Candidate]:
        del graph, target
        shape = _numbers(call.params, "shape")
        if (shape["loops"], shape["first_step"], shape["second_step"]) != (0, 1, 1):
            return
        low, high = int(str(call.params["output_min"])), int(str(call.params["output_max"]))
        linear = linear_sum(call.params)
        if linear is None:
            return
        elements = shape["row"]
        clamped = low > -128 or high < 127
        yield Candidate(
            form="linear",
            calls=(
                replace(
                    call,
                    kernel="tg_add_linear",
                    header="elementwise/tg_add_linear.h",
                    sources=("elementwise/tg_add_linear.c",),
                    params={
                        "elements": elements,
                        "first": linear.first,
                        "second": linear.second,
                        "offset": linear.offset,
                        "output_min": low,
                        "output_max": high,
                    },
                ),
            ),
            instructions=int(elements * (ELEMENT_INSTRUCTIONS + clamped * CLAMP_INSTRUCTIONS)) + CALL_INSTRUCTIONS,
            reason="one linear function, compared on all 65536 pairs",
        )


def linear_sum(params: Mapping[str, Param]) -> Linear | None:
    """A linear function that agrees with ``tg_add`` on every pair of stored values, if there is one near.

    For given coefficients the output v of a pair demands v * 2^SHIFT <= sum + offset < (v + 1) * 2^SHIFT,
    one side of it where v is a limit; so the offset must lie between a maximum and a minimum over all pairs.
    """
    low, high = int(str(params["output_min"])), int(str(params["output_max"]))
    wanted = np.clip(sums(params), low, high)
    above, below = wanted > low, wanted < high
    if not above.any() or not below.any():
        return None
    first, second = _factor(params, "first"), _factor(params, "second") * int(str(params["second_sign"]))
    for near_first, near_second in sorted(product(REACH, REACH), key=lambda d: abs(d[0]) + abs(d[1])):
        coefficients = round(first) + near_first, round(second) + near_second
        start = (wanted << SHIFT) - coefficients[0] * STORED[:, None] - coefficients[1] * STORED[None, :]
        least = int(start[above].max())
        most = int(start[below].min()) + (1 << SHIFT) - 1
        if least <= most:
            linear = Linear(*coefficients, (least + most) // 2)
            exact = bool((np.clip(linear.outputs(), low, high) == wanted).all())
            return linear if linear.fits and exact else None
    return None


def sums(params: Mapping[str, Param]) -> Ints:
    """[256, 256]: what ``tg_add`` computes before it clamps, for all pairs of stored values."""
    terms = []
    for operand in ("first", "second"):
        difference = (STORED - int(str(params[f"{operand}_zero_point"]))) << 20
        terms.append(multiply_by_quantized_multiplier(difference, _rescale(params, operand)))
    total = terms[0][:, None] + int(str(params["second_sign"])) * terms[1][None, :]
    zero_point = int(str(params["output_zero_point"]))
    return multiply_by_quantized_multiplier(total, _rescale(params, "output")) + zero_point


def _rescale(params: Mapping[str, Param], name: str) -> Rescale:
    numbers = _numbers(params, name)
    return Rescale(numbers["multiplier"], numbers["shift"])


def _factor(params: Mapping[str, Param], operand: str) -> float:
    """An operand's scale over the output's, times 2^SHIFT."""
    steps = [_rescale(params, name) for name in (operand, "output")]
    return float(np.prod([s.multiplier * 2.0 ** (s.shift - 31) for s in steps]) * 2.0 ** (20 + SHIFT))


def _numbers(params: Mapping[str, Param], name: str) -> dict[str, int]:
    inner = params[name]
    assert isinstance(inner, Mapping)
    return {key: value for key, value in inner.items() if isinstance(value, int)}
