"""What a compression did, step by step: ``compress.json``, schema 1."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tinygen import __version__
from tinygen.compress.metrics import drop

__all__ = ["CompressionLog", "StepRecord", "shown"]

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One finished step.

    Attributes:
        index: from 1.
        target: what the metric was measured on: ``float`` model or ``int8`` flatbuffer.
        before, after: the metric on the validation split; ``before`` is that of the step before on the same target;
            ``None`` if there were no samples.
        drop: how much worse than the uncompressed model on the same target.
        max_drop: its floor; ``None`` for none.
        kept: what the model keeps from now on, layer by layer.
        left_alone: layers that the step could not treat, with reasons.
        notes: what it did, a line each.
        details: numbers: losses, parameters, the sensitivity table.
        tensors: facts of the int8 weights after the step; empty for float steps.
    """

    index: int
    kind: str
    target: str
    before: float | None
    after: float | None
    drop: float | None
    max_drop: float | None
    seconds: float
    kept: Mapping[str, str] = field(default_factory=dict)
    left_alone: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    tensors: tuple[Mapping[str, Any], ...] = ()

    @property
    def missed(self) -> bool:
        """Whether the step fell below its floor."""
        return self.max_drop is not None and self.drop is not None and self.drop > self.max_drop + 1e-9


@dataclass(frozen=True, slots=True)
class CompressionLog:
    """A whole run.

    Attributes:
        data_sha256: empty if there were no samples.
        metric: what was measured; empty if nothing was.
        baseline: the uncompressed model's metric, as ``float`` (``None`` for .tflite) and as ``int8``.
        float_metric, int8_metric: the compressed model's; ``None`` where there is no such model, or no sample.
        split: sizes, and which samples judged.
        status: ``ok``, or ``floor`` when a step fell below its floor and the one before was kept.
        notes: on the run as a whole.
    """

    recipe: Mapping[str, Any]
    model_sha256: str
    data_sha256: str
    metric: str
    baseline: Mapping[str, float | None]
    float_metric: float | None
    int8_metric: float | None
    split: Mapping[str, Any]
    steps: tuple[StepRecord, ...]
    status: str = "ok"
    notes: tuple[str, ...] = ()
    schema: int = SCHEMA
    tinygen: str = __version__

    @property
    def int8_drop(self) -> float | None:
        """How much worse than the uncompressed int8 model."""
        return drop(self.metric, self.baseline["int8"], self.int8_metric)

    @property
    def verdict(self) -> str:
        """A clause for people: what the compressed model is worth, and on which samples."""
        if self.int8_metric is None:
            return "not measured, for want of samples"
        return (
            f"int8 {self.metric} {shown(self.int8_metric)}, {shown(self.baseline['int8'])} without, "
            f"on the {self.split['validation']} samples of the validation split"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        data = asdict(self)
        return {"schema": data.pop("schema"), "tinygen": data.pop("tinygen"), **data}

    def to_json(self) -> str:
        """For compress.json. Seconds differ from run to run; all else repeats."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CompressionLog:
        """The inverse of ``to_dict``."""
        parts = dict(data)
        parts["steps"] = tuple(record_from(step) for step in data["steps"])
        parts["notes"] = tuple(data["notes"])
        return cls(**parts)


def shown(value: float | None, spec: str = ".4f") -> str:
    """A metric for people; a dash where nothing was measured."""
    return "-" if value is None else format(value, spec)


def record_from(data: Mapping[str, Any]) -> StepRecord:
    """A step's record from plain data."""
    lists = {key: tuple(data[key]) for key in ("left_alone", "notes", "tensors")}
    return StepRecord(**{**data, **lists})
