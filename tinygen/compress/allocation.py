"""Mixed precision: which layer gets how many values, so that the weights take a number of bits on average.

The sensitivity table says what each number of values changes in each layer alone. Changes are added up as if layers did
not interact, and the sum is made least within the budget: a knapsack in which each layer takes one item.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygen.compress.kernels import Kernel, override
from tinygen.compress.settings import ALL_VALUES, Cluster, RoundCluster
from tinygen.compress.state import Context
from tinygen.errors import OptionError

__all__ = ["Demand", "allocate", "bits_of", "values_of_layers"]

# Firmware decodes 1 to 4 bits; anything wider lies in flash as it is.
_MOST_BITS, _PLAIN_BITS = 4, 8
# The budget in cells: finer than any difference that matters, and quick for a hundred layers.
_CELLS = 1 << 16


@dataclass(frozen=True, slots=True)
class Demand:
    """What a layer could take: number of values -> what it changes in the outputs."""

    layer: str
    weights: int
    changes: Mapping[int, float]

    @property
    def least_bits(self) -> int:
        """Bits of all its weights with the fewest values."""
        return self.weights * min(map(bits_of, self.changes))


def values_of_layers(kernels: Sequence[Kernel], settings: Cluster | RoundCluster, context: Context) -> dict[str, int]:
    """The number of values that a step gives to each of its layers.

    Raises:
        OptionError: the budget is less than the fewest values take.
    """
    fixed = {kernel.layer: override(kernel, settings.per_layer, settings.values) for kernel in kernels}
    if not settings.bits:
        return fixed
    demands = [_demand(kernel, settings, context) for kernel in kernels]
    total = sum(demand.weights for demand in demands)
    found = allocate(demands, int(settings.bits * total))
    if found is None:
        least = sum(demand.least_bits for demand in demands) / total
        raise OptionError(
            f"{context.source}: step {settings.kind}: bits = {settings.bits:g} a weight, but the fewest values that "
            f"the sensitivity step tried take {least:.2f} on average",
            hint="Let it try fewer values, such as values = [16, 8, 4, 2], or allow more bits.",
        )
    average = sum(demand.weights * bits_of(found[demand.layer]) for demand in demands) / max(total, 1)
    context.details["allocation"] = {"bits": round(average, 4), "values": found}
    context.notes.append(f"{average:.2f} bits a weight on average, at most {settings.bits:g}")
    return found


def allocate(demands: Sequence[Demand], budget: int) -> dict[str, int] | None:
    """The values with the least sum of changes whose bits keep to a budget.

    Exact up to 1/65536 of the budget for each layer, by which costs are rounded up.

    Args:
        budget: bits for all weights together.

    Returns:
        Layer -> number of values; ``None`` if nothing fits.
    """
    cell = max(budget / _CELLS, 1.0)
    cells = int(budget / cell)
    best = np.zeros(cells + 1)  # least sum of changes of the layers so far, within so many cells
    picks = []
    for demand in demands:
        options = sorted(demand.changes)
        totals = np.full((len(options), cells + 1), np.inf)
        for row, values in zip(totals, options, strict=True):
            cost = int(np.ceil(demand.weights * bits_of(values) / cell))
            if cost <= cells:
                row[cost:] = best[: cells + 1 - cost] + demand.changes[values]
        pick = totals.argmin(axis=0)  # the fewest values of equally good ones
        best = totals[pick, np.arange(cells + 1)]
        picks.append(np.asarray(options)[pick])
    if not np.isfinite(best[-1]):
        return None
    found = {}
    left = cells
    for demand, pick in zip(reversed(demands), reversed(picks), strict=True):
        found[demand.layer] = int(pick[left])
        left -= int(np.ceil(demand.weights * bits_of(found[demand.layer]) / cell))
    return {demand.layer: found[demand.layer] for demand in demands}


def bits_of(values: int) -> int:
    """Bits that a weight takes in flash if its tensor has so many values."""
    bits = max((values - 1).bit_length(), 1)
    return bits if bits <= _MOST_BITS else _PLAIN_BITS


def _demand(kernel: Kernel, settings: Cluster | RoundCluster, context: Context) -> Demand:
    pinned = override(kernel, settings.per_layer, 0)
    rows: list[Mapping[str, Any]] = [row for row in context.sensitivity if row["layer"] == kernel.layer]
    changes = {int(row["values"]): float(row["output_change"]) for row in rows if row["values"]}
    if pinned:
        changes = {pinned: 0.0}
    elif not changes:
        context.left_alone.append(
            f'"{kernel.layer}" ({kernel.kind}): the sensitivity step did not measure it, {settings.values} values'
        )
        changes = {settings.values: 0.0}
    return Demand(kernel.layer, kernel.size, {min(values, ALL_VALUES): change for values, change in changes.items()})
