"""report.json, schema 1: keys are only ever added."""

from __future__ import annotations

import builtins
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from tinygen import __version__
from tinygen.compress import CompressionLog

__all__ = [
    "METRIC_TITLES",
    "Accuracy",
    "BuildReport",
    "CompressionReport",
    "FlashReport",
    "LayerReport",
    "ModelReport",
    "RamReport",
    "StageReport",
    "StepReport",
    "ValidationReport",
]

SCHEMA = 1
# The metrics of a report, and what people call them.
METRIC_TITLES = {
    "accuracy": "accuracy",
    "f1": "F1 (macro)",
    "auc": "AUC",
    "mse": "squared error",
    "agreement": "top-1 agreement",
}


@dataclass(frozen=True, slots=True)
class ModelReport:
    """The model as it was read.

    Attributes:
        sha256: of the user's file.
        ops: operator name -> how often it occurs in the .tflite.
        macs: multiply-accumulates of one inference as the model file says.
        live_macs: those that remain after exact removal of what can't matter.
    """

    sha256: str
    ops: Mapping[str, int]
    macs: int
    live_macs: int


@dataclass(frozen=True, slots=True)
class FlashReport:
    """Bytes that the application image loads into flash, and what they are."""

    total: int
    limit: int
    weights: int
    kernels: int
    generated: int
    other: int
    runtime: int = 0
    libc: int = 0
    application: int = 0
    largest: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class RamReport:
    """Bytes of RAM: the arena, other static data, and the stack's high-water mark.

    ``arena_bound`` is proven: with these kernels no arena is smaller. ``arena_optimal`` says that the
    planner has shown the arena itself to be the smallest.
    """

    total: int
    limit: int
    arena: int
    static: int
    stack: int
    arena_bound: int = 0
    arena_optimal: bool = False


@dataclass(frozen=True, slots=True)
class ValidationReport:
    """What the emulated or real board said, against the reference interpreter.

    Attributes:
        instructions_per_inference: 0 where the counter counts something else, as on a real board.
        ticks_per_inference, ticks_unit: the median of what was counted, and what: ``instructions``, ``cycles`` of
            a real core, or ``time``.
        vectors_from: ``data`` (the user's samples) or ``random`` (seeded, with the extremes).
        first_divergence: names the first layer that differs, or ``None``.
        cycles_per_inference: ``low``, ``estimate`` and ``high``, as docs/CYCLES.md computes them; ``None`` if
            they were not estimated.
        latency_ms: milliseconds that the estimate takes at ``clock_hz``, the board's clock.
        energy_mj: millijoules at the current that the board's file names; ``None`` if it names none.
        cycles_source: where the cycles of single instructions are from.
    """

    emulator: str
    vectors: int
    mismatches: int
    bit_exact: bool
    instructions_per_inference: int
    first_divergence: Mapping[str, object] | None = None
    emulator_version: str = ""
    vectors_from: str = "data"
    ticks_per_inference: int = 0
    ticks_unit: str = ""
    cycles_per_inference: Mapping[str, int] | None = None
    latency_ms: float | None = None
    energy_mj: float | None = None
    clock_hz: int = 0
    cycles_source: str = ""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Share of right answers on the labelled vectors that ran: float model, oracle, board."""

    float: builtins.float | None = None
    int8: builtins.float | None = None
    board: builtins.float | None = None


@dataclass(frozen=True, slots=True)
class LayerReport:
    """One operator: what it computes, the form it got and why, and what it costs on the board; cycles are estimated."""

    index: int
    op: str
    name: str
    macs: int
    weights_bytes: int
    instructions: int
    form: str = "portable"
    reason: str = ""
    scratch_bytes: int = 0
    cycles: int = 0


@dataclass(frozen=True, slots=True)
class StageReport:
    """How long a stage took; wall time, for people only."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class StepReport:
    """One step of the recipe; the attributes are those of compress.json's steps."""

    index: int
    kind: str
    target: str
    before: float | None
    after: float | None
    drop: float | None
    max_drop: float | None
    seconds: float
    left_alone: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CompressionReport:
    """What the recipe did, in short: compress.json has all of it.

    Attributes:
        metric: what the steps' figures are, measured on ``samples`` samples of the validation split; empty if there
            were none.
        baseline: the uncompressed model's metric, as ``float`` and as ``int8``; ``None`` where there is none.
    """

    recipe: str
    metric: str
    samples: int
    baseline: Mapping[str, float | None]
    steps: tuple[StepReport, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, log: CompressionLog) -> CompressionReport:
        """The report's part of a log."""
        steps = tuple(StepReport(**{f.name: getattr(step, f.name) for f in fields(StepReport)}) for step in log.steps)
        samples = int(log.split["validation"])
        return cls(str(log.recipe["name"]), log.metric, samples, log.baseline, steps, log.notes)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CompressionReport:
        """From report.json."""
        lists = ("left_alone", "notes")
        steps = tuple(StepReport(**{**step, **{key: tuple(step[key]) for key in lists}}) for step in data["steps"])
        return cls(**{**data, "steps": steps, "notes": tuple(data["notes"])})


@dataclass(frozen=True, slots=True)
class BuildReport:
    """Everything about one build.

    Attributes:
        compression: what the recipe did; ``None`` without one.
        toolchain: the compiler's name and version.
        metric: the one of ``metrics`` that suits the model best; empty if nothing could be measured.
        metrics: ``accuracy``, ``f1``, ``auc``, ``mse`` or ``agreement`` -> ``float``, ``int8``, ``board``.
    """

    name: str
    board: str
    runtime: str
    status: str
    model: ModelReport
    flash: FlashReport
    ram: RamReport
    validation: ValidationReport
    accuracy: Accuracy
    layers: tuple[LayerReport, ...]
    stages: tuple[StageReport, ...]
    notes: tuple[str, ...] = ()
    output: str = ""
    optimize: str = ""
    toolchain: str = ""
    metric: str = ""
    metrics: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    compression: CompressionReport | None = None
    schema: int = field(default=SCHEMA)
    tinygen: str = field(default=__version__)

    def to_dict(self) -> dict[str, object]:
        """Plain data, ``schema`` and ``tinygen`` first. ``output`` is left out: it is no fact of the build."""
        data = asdict(self)
        del data["output"]
        head = {"schema": data.pop("schema"), "tinygen": data.pop("tinygen")}
        return head | data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> BuildReport:
        """The inverse of ``to_dict``.

        Raises:
            KeyError, TypeError: keys are missing or strange.
        """
        parts = dict(data)
        parts["model"] = ModelReport(**data["model"])
        flash = dict(data["flash"])
        flash["largest"] = tuple((name, count) for name, count in flash["largest"])
        parts["flash"] = FlashReport(**flash)
        parts["ram"] = RamReport(**data["ram"])
        parts["validation"] = ValidationReport(**data["validation"])
        parts["accuracy"] = Accuracy(**data["accuracy"])
        parts["layers"] = tuple(LayerReport(**layer) for layer in data["layers"])
        parts["stages"] = tuple(StageReport(**stage) for stage in data["stages"])
        parts["notes"] = tuple(data["notes"])
        compression = data.get("compression")
        parts["compression"] = None if compression is None else CompressionReport.from_dict(compression)
        return cls(**parts)

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2) + "\n"
