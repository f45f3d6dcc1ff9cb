"""Runs a recipe: step after step, each measured, judged, and stored."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.compress.cache import Checkpoints
from tinygen.compress.converted import UNMEASURED, Int8Model, task_without_samples
from tinygen.compress.int8 import facts, int8_weights, own_kernel
from tinygen.compress.log import CompressionLog, StepRecord, shown
from tinygen.compress.metrics import drop
from tinygen.compress.recipe import Recipe
from tinygen.compress.replay import standardize
from tinygen.compress.running import oracle_outputs
from tinygen.compress.sensitivity import TABLE
from tinygen.compress.settings import Phase, Ptq, Step
from tinygen.compress.state import Context, State
from tinygen.compress.steps import RUN
from tinygen.compress.task import Split, Task, make_task, split_samples
from tinygen.compress.train import predict, seed_everything
from tinygen.load.dataset import Dataset
from tinygen.load.source import hash_source

__all__ = ["Outcome", "run_on_int8", "run_recipe", "with_conversion"]

Array = NDArray[Any]
FLOAT, FAKE, INT8 = "float", "fake-quantized", "int8"


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a recipe came to.

    Attributes:
        state: with an int8 flatbuffer; that of the last good step if one fell below its floor.
        missed: the step that fell below its floor, or ``None``.
    """

    state: State
    task: Task
    split: Split
    log: CompressionLog
    missed: StepRecord | None


@dataclass(slots=True, eq=False)
class _Run:
    """A recipe at work."""

    start: State
    recipe: Recipe
    steps: tuple[Step, ...]
    task: Task
    split: Split
    source: str
    say: Callable[[str], None]
    checkpoints: Checkpoints
    resume: bool
    allow_custom_code: bool = False
    baseline: dict[str, float | None] = field(default_factory=dict)
    records: list[StepRecord] = field(default_factory=list)

    def outcome(self, hashes: tuple[str, str]) -> Outcome:
        """Do all of it.

        Args:
            hashes: of the model and the data, for the log.
        """
        self.measure_baseline()
        state, missed = self.run()
        return Outcome(state, self.task, self.split, self.finish(state, missed, hashes), missed)

    def run(self) -> tuple[State, StepRecord | None]:
        """The last good state, and the record of the step that missed its floor."""
        state = self.start
        for index, step in enumerate(self.steps, 1):
            fresh, record = self._step(index, step, state)
            self.records.append(record)
            if record.missed:
                return self._converted(state), record
            state = fresh
        return state, None

    def measure_baseline(self) -> None:
        """The uncompressed model's metric, in float and, converted alone, in int8."""
        validation = self.split.validation
        measured = self.task.measure(self.task.reference[validation], validation) if len(validation) else None
        if self.start.tflite is not None:
            self.baseline |= {FLOAT: None, INT8: measured}
            return
        self.baseline[FLOAT] = measured
        plain = next((step for step in self.steps if isinstance(step, Ptq)), Ptq())
        name = hashlib.sha256(repr((plain, self.recipe.prefix_hash(()))).encode()).hexdigest()
        found = self.checkpoints.load(name) if self.resume else None
        if found is None:
            self.say("converting the uncompressed model to int8, to compare with")
            state = self.start
            start = time.monotonic()
            state = RUN["ptq"](state, plain, self._context(0))
            metric = self._measure(state)
            record = StepRecord(0, "baseline", INT8, metric, metric, 0.0, None, time.monotonic() - start)
            self.checkpoints.save(name, state, record)
            found = state, record
        self.baseline[INT8] = self.baseline[FAKE] = found[1].after

    def _step(self, index: int, step: Step, state: State) -> tuple[State, StepRecord]:
        place = f"step {index} of {len(self.steps)} ({step.kind})"
        prefix = self._prefix(index)
        found = self.checkpoints.load(prefix) if self.resume else None
        if found is not None:
            self.say(f"{place}: done before, taken from the cache")
            return found[0], self._judged(found[1], step)
        self.say(place)
        context = self._context(index, lambda text: self.say(f"{place}: {text}"))
        if state.model is not None:
            seed_everything(context.seed)
        start = time.monotonic()
        fresh = RUN[step.kind](state, step, context)
        record = self._record(index, step, fresh, context, time.monotonic() - start)
        self.checkpoints.save(prefix, fresh, record)
        if record.after is not None:
            self.say(f"{place}: {record.target} {self.task.metric} {shown(record.before)} -> {shown(record.after)}")
        return fresh, record

    def _prefix(self, count: int) -> str:
        """What the first few steps depend on, with the content of the model files that they name."""
        files = []
        for step in self.steps[:count]:
            named = (getattr(step, "student", ""), getattr(step, "teacher", ""), *getattr(step, "teachers", ()))
            files += [hash_source(Path(self.recipe.folder) / name) for name in named if name not in ("", "original")]
        return "/".join([self.recipe.prefix_hash(self.steps[:count]), *files])

    def _record(self, index: int, step: Step, state: State, context: Context, seconds: float) -> StepRecord:
        target = _target(state)
        last = [record.after for record in self.records if record.target == target]
        before = last[-1] if last else self.baseline[target]
        after = before if step.phase == Phase.ANY and last else self._measure(state)
        return StepRecord(
            index=index,
            kind=step.kind,
            target=target,
            before=before,
            after=after,
            drop=drop(self.task.metric, self.baseline[target], after),
            max_drop=self.recipe.floor(step),
            seconds=round(seconds, 2),
            kept={layer: constraint.text for (layer, _), constraint in state.constraints.items()},
            left_alone=tuple(dict.fromkeys(context.left_alone)),
            notes=tuple(context.notes),
            details=dict(context.details),
            tensors=() if state.tflite is None else tuple(asdict(f) for f in facts(state.tflite, state.bindings)),
        )

    def _judged(self, record: StepRecord, step: Step) -> StepRecord:
        """A cached record under the floor of today's recipe."""
        data = {name: getattr(record, name) for name in StepRecord.__dataclass_fields__}
        return StepRecord(**{**data, "max_drop": self.recipe.floor(step)})

    def _measure(self, state: State) -> float | None:
        """The metric on the validation split, of the furthest form that there is; ``None`` without samples."""
        chosen = self.split.validation
        if len(chosen) == 0:
            return None
        x = self.task.x[chosen]
        if state.tflite is not None:
            self.say(f"running the reference interpreter on {len(x)} samples")
            return self.task.measure(oracle_outputs(state.tflite, x), chosen)
        return self.task.measure(predict(state.model if state.wrapped is None else state.wrapped, x), chosen)

    def _converted(self, state: State) -> State:
        """A state with a flatbuffer, for writing."""
        if state.tflite is not None:
            return state
        plain = next((step for step in self.steps if isinstance(step, Ptq)), Ptq())
        return RUN["ptq"](state, plain, self._context(0))

    def _context(self, index: int, say: Callable[[str], None] | None = None) -> Context:
        return Context(
            task=self.task,
            split=self.split,
            original=self.start.model,
            source=self.source,
            folder=Path(self.recipe.folder or "."),
            seed=self.recipe.seed * 1000 + index,
            say=say or self.say,
            allow_custom_code=self.allow_custom_code,
            sensitivity=next((r.details[TABLE] for r in reversed(self.records) if TABLE in r.details), ()),
        )

    def finish(self, state: State, missed: StepRecord | None, hashes: tuple[str, str]) -> CompressionLog:
        """The log of the whole run."""
        chosen = self.split.validation
        float_metric = None
        if state.model is not None:
            float_metric = self.task.measure(predict(state.model, self.task.x[chosen]), chosen)
        last = self.records[-1]
        known = missed is None and last.target == INT8
        return CompressionLog(
            recipe=self.recipe.to_dict(),
            model_sha256=hashes[0],
            data_sha256=hashes[1],
            metric=self.task.metric,
            baseline={FLOAT: self.baseline[FLOAT], INT8: self.baseline[INT8]},
            float_metric=float_metric,
            int8_metric=last.after if known else self._measure(state),
            split=self.split.to_dict(),
            steps=tuple(self.records),
            status="ok" if missed is None else "floor",
            notes=() if len(chosen) else (UNMEASURED,),
        )


def run_recipe(
    model: Any,
    dataset: Dataset,
    recipe: Recipe,
    *,
    source: str,
    hashes: tuple[str, str],
    cache: Path,
    resume: bool,
    say: Callable[[str], None],
    allow_custom_code: bool = False,
) -> Outcome:
    """Compress a model.

    Args:
        model: ``tf_keras.Model``; stays as it is.
        dataset: fitted to the model.
        source: the model file's name, for messages.
        hashes: of the model and the data.
        cache: where checkpoints are; ``resume`` uses those that are there.
        say: progress, for people.

    Raises:
        TinygenError: whatever is wrong with the model, data or recipe. A missed floor is no exception here: see
            ``Outcome.missed``.
    """
    seed_everything(recipe.seed)
    original = standardize(model)
    say(f"running the float model on {len(dataset)} samples")
    task = make_task(dataset, (predict(original, dataset.inputs[0].astype(np.float32)),), recipe.metric, source)
    split = split_samples(task, recipe.validation, recipe.selection, recipe.seed)
    checkpoints = _checkpoints(cache, hashes)
    steps = with_conversion(recipe.steps)
    run = _Run(State(original), recipe, steps, task, split, source, say, checkpoints, resume, allow_custom_code)
    return run.outcome(hashes)


def run_on_int8(
    model: Int8Model,
    dataset: Dataset | None,
    recipe: Recipe,
    *,
    hashes: tuple[str, str],
    cache: Path,
    resume: bool,
    say: Callable[[str], None],
) -> Outcome:
    """Compress a model that is int8 already, by a recipe that ``read_int8`` has accepted; without TensorFlow.

    Args:
        dataset: fitted to the model; ``None`` leaves everything unmeasured.

    Raises:
        TinygenError: as ``run_recipe``.
    """
    source = model.interface.name
    if dataset is None:
        task, split = task_without_samples()
    else:
        say(f"running the reference interpreter on {len(dataset)} samples")
        task = model.task(dataset, recipe.metric)
        split = split_samples(task, recipe.validation, recipe.selection, recipe.seed)
    weights = int8_weights(bytearray(model.tflite))
    start = State(None, tflite=model.tflite, bindings={w.operator: own_kernel(w) for w in weights})
    steps = with_conversion(recipe.steps)
    return _Run(start, recipe, steps, task, split, source, say, _checkpoints(cache, hashes), resume).outcome(hashes)


def with_conversion(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps with ``ptq`` where the flatbuffer is needed, if the recipe doesn't say it."""
    if any(step.phase == Phase.CONVERT for step in steps):
        return steps
    at = next((i for i, step in enumerate(steps) if step.phase == Phase.INT8), len(steps))
    return (*steps[:at], Ptq(), *steps[at:])


def _target(state: State) -> str:
    if state.tflite is not None:
        return INT8
    return FLOAT if state.wrapped is None else FAKE


def _checkpoints(cache: Path, hashes: tuple[str, str]) -> Checkpoints:
    return Checkpoints(cache, f"{hashes[0]}/{hashes[1]}/{_code_hash()}")


def _code_hash() -> str:
    """Hash of this package's sources: checkpoints of another version of a step are not taken for this one's."""
    digest = hashlib.sha256()
    folder = Path(__file__).resolve().parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
