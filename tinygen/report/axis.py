"""Axes of plots: round limits and ticks, and values as pixels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Axis", "Tick", "round_range", "round_step", "steps"]


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the grid: its place along the axis and its text."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Axis:
    """Maps values from ``low`` to ``high`` onto pixels; ``start`` may lie behind ``end``."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The pixel of a value, to a tenth."""
        return round(self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start), 1)


def round_step(span: float) -> float:
    """A step that divides a span into four or fewer: 1, 2 or 5 times a power of ten."""
    raw = span / 4
    power: float = 10.0 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)


def round_range(values: Sequence[float]) -> tuple[float, float, float]:
    """Round limits around values, a little apart from them, and a round step."""
    low, high = min(values), max(values)
    span = high - low or abs(high) * 0.1 or 1.0
    step = round_step(span)
    return math.floor((low - span * 0.1) / step) * step, math.ceil((high + span * 0.1) / step) * step, step


def steps(low: float, high: float, step: float) -> Iterator[float]:
    """The values of the grid."""
    for i in range(round((high - low) / step) + 1):
        yield round(low + i * step, 12)
