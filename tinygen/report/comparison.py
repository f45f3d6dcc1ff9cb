"""compare.json, schema 1: builds of one model side by side; keys are only ever added."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from tinygen import __version__
from tinygen.errors import TinygenError

__all__ = ["LOWER_IS_BETTER", "Comparison", "ComparisonRow", "Failure", "mark_frontier"]

SCHEMA = 1
LOWER_IS_BETTER = frozenset({"mse"})


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a combination has no figures; ``exit_code`` is what ``tinygen build`` would have ended with."""

    exit_code: int
    error: str
    message: str
    details: tuple[str, ...] = ()
    hint: str = ""

    @classmethod
    def of(cls, error: TinygenError) -> Failure:
        return cls(error.exit_code, type(error).__name__, error.message, error.details, error.hint)


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One combination.

    Attributes:
        mode: of the ahead-of-time compiler; empty for TensorFlow Lite Micro, which has none.
        folder: of the build, below the comparison's.
        quality: the board's value of the comparison's metric.
        metrics: as in report.json: name -> ``float``, ``int8``, ``board``.
        agreement: share of samples on which the board chooses the same class as the baseline's.
        tuning_seconds: that the recipe's steps took when they were done; ``None`` without a recipe.
        frontier: no other row is at least as good in quality, flash, RAM and instructions, and better in one.
    """

    recipe: str
    mode: str
    runtime: str
    folder: str = ""
    quality: float | None = None
    metrics: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    agreement: float | None = None
    vectors: int = 0
    flash_bytes: int = 0
    ram_bytes: int = 0
    instructions: int = 0
    latency_ms: float | None = None
    energy_mj: float | None = None
    tuning_seconds: float | None = None
    frontier: bool = False
    failure: Failure | None = None

    @property
    def title(self) -> str:
        """What tells this row from the others."""
        return " ".join(
            part for part in (self.recipe, self.mode, "" if self.runtime == "aot" else self.runtime) if part
        )

    @property
    def built(self) -> bool:
        return self.failure is None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All combinations, those that were built first, the smallest on top.

    Attributes:
        metric: what ``quality`` is; empty if nothing could be measured.
        baseline: title of the row that ``agreement`` refers to.
        output: the folder, for people.
    """

    name: str
    board: str
    metric: str
    baseline: str
    rows: tuple[ComparisonRow, ...]
    notes: tuple[str, ...] = ()
    output: str = ""
    schema: int = SCHEMA
    tinygen: str = __version__

    @property
    def exit_code(self) -> int:
        """0 if any combination was built, else what the first ended with."""
        failures = [row.failure.exit_code for row in self.rows if row.failure is not None]
        return failures[0] if len(failures) == len(self.rows) and failures else 0

    def to_dict(self) -> dict[str, object]:
        """Plain data, ``schema`` and ``tinygen`` first; ``output`` is left out: it is no fact of the builds."""
        data = asdict(self)
        del data["output"]
        head = {"schema": data.pop("schema"), "tinygen": data.pop("tinygen")}
        return head | data

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2) + "\n"


def mark_frontier(rows: Iterable[ComparisonRow], metric: str) -> tuple[ComparisonRow, ...]:
    """Mark the Pareto-optimal rows and sort: those that were built by flash, then those that failed.

    Args:
        metric: name of what ``quality`` is; errors are better the lower they are. A row without a quality counts
            as the worst.
    """
    rows = tuple(rows)
    costs = [_costs(row, metric) for row in rows if row.built]
    marked = [
        replace(row, frontier=not any(_dominates(c, _costs(row, metric)) for c in costs)) for row in rows if row.built
    ]
    marked.sort(key=lambda row: (row.flash_bytes, _costs(row, metric)))
    return (*marked, *(row for row in rows if not row.built))


def _costs(row: ComparisonRow, metric: str) -> tuple[float, ...]:
    """What is better the lower it is."""
    quality = float("inf")
    if row.quality is not None:
        quality = row.quality if metric in LOWER_IS_BETTER else -row.quality
    return (quality, row.flash_bytes, row.ram_bytes, row.instructions)


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True)) and tuple(one) != tuple(other)
