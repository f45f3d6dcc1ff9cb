"""Recipes: TOML files with an ordered list of steps.

    name = "prune-cluster"
    about = "Half zeros, then 16 values a tensor"
    seed = 1
    validation = 0.5
    max_drop = 0.01

    [[step]]
    kind = "prune"
    sparsity = 0.5
    epochs = 8

    [[step]]
    kind = "cluster"
    values = 16
    layers = ["kind:pointwise"]

All mistakes of a file are found in one go and named with their keys.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any

from tinygen.compress.settings import STEPS, Phase, Sensitivity, Step
from tinygen.errors import OptionError

__all__ = ["METRICS", "Recipe", "find_recipe", "parse_recipe", "shipped_recipes"]

_RECIPES = Path(__file__).resolve().parent / "recipes"
METRICS = ("auto", "accuracy", "macro_f1", "auc", "mse", "agreement")
_KEYS = {"name", "about", "seed", "validation", "selection", "max_drop", "metric", "step"}


@dataclass(frozen=True, slots=True)
class Recipe:
    """A list of steps and what holds for all of them.

    Attributes:
        name: of the file, unless it says another.
        about: one line for people.
        seed: of everything random: the split, shuffling, new weights.
        validation: share of the samples that is never trained on, nor used to choose anything; floors are judged on it.
        selection: share of the rest that is not trained on either, but chooses the best epoch.
        max_drop: floor of every step without one of its own: how far the metric may fall below the uncompressed
            model's (float for float steps, its int8 version's for int8 steps); for errors (mse), relative.
        metric: what is measured; ``auto`` decides by data and model.
        steps: in order.
        folder: where the recipe lies; files that it names are relative to it.
    """

    name: str
    steps: tuple[Step, ...]
    about: str = ""
    seed: int = 1
    validation: float = 0.3
    selection: float = 0.15
    max_drop: float | None = None
    metric: str = "auto"
    folder: str = ""

    def prefix_hash(self, steps: Sequence[Step]) -> str:
        """Hash of all that the first few steps depend on; floors are left out, they change no weight."""
        parts = [[step.kind, {k: v for k, v in asdict(step).items() if k != "max_drop"}] for step in steps]
        common = [self.seed, self.validation, self.selection, self.metric]
        return hashlib.sha256(json.dumps([common, parts], sort_keys=True, default=str).encode()).hexdigest()

    def floor(self, step: Step) -> float | None:
        """How far the metric may drop at this step; ``None`` for any."""
        return self.max_drop if step.max_drop is None else step.max_drop

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for the log and for a child process."""
        data = {
            f.name: value for f in fields(self) if f.name != "steps" and (value := getattr(self, f.name)) is not None
        }
        data["step"] = [{"kind": s.kind} | {k: v for k, v in asdict(s).items() if v is not None} for s in self.steps]
        return data


def shipped_recipes() -> dict[str, Path]:
    """Recipes that come with tinygen, by name."""
    return {path.stem: path for path in sorted(_RECIPES.glob("*.toml"))}


def find_recipe(name: str) -> Recipe:
    """A shipped recipe by its name, or a file by its path.

    Raises:
        OptionError: there is none, or it has mistakes; names them all.
    """
    shipped = shipped_recipes()
    path = shipped.get(name, Path(name))
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else str(error)
        raise OptionError(
            f"recipe {name}: {reason}",
            hint=f"Give a file, or one of {', '.join(shipped)}.",
        ) from None
    return read_recipe(text, path)


def read_recipe(text: str, path: Path) -> Recipe:
    """A recipe from TOML text.

    Raises:
        OptionError
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise OptionError(f"{path}: not TOML: {error}") from None
    return parse_recipe({"name": path.stem, "folder": str(path.resolve().parent)} | data, str(path))


def parse_recipe(data: Mapping[str, Any], source: str) -> Recipe:
    """A recipe from plain data.

    Raises:
        OptionError: one line for each mistake.
    """
    problems: list[str] = []
    head = {}
    hints = typing.get_type_hints(Recipe)
    for key, value in data.items():
        if key not in _KEYS | {"folder"}:
            problems.append(f"{key}: no such key{_similar(key, _KEYS)}")
        elif key != "step":
            head[key] = _converted(value, hints[key], key, problems)
    for key, low, high in (("validation", 0.0, 0.9), ("selection", 0.0, 0.5), ("max_drop", 0.0, 10.0)):
        value = head.get(key)
        if isinstance(value, float) and not low <= value <= high:
            problems.append(f"{key}: {value:g} is outside [{low:g}, {high:g}]")
    if head.get("metric", "auto") not in METRICS:
        problems.append(f"metric: {head['metric']!r} is none of {', '.join(METRICS)}")
    steps = _steps(data.get("step"), problems)
    if problems:
        raise OptionError(
            f"{source}: {len(problems)} mistake{'s' if len(problems) > 1 else ''} in the recipe", details=problems
        )
    return Recipe(steps=tuple(steps), **head)


def _steps(entries: Any, problems: list[str]) -> list[Step]:
    if not isinstance(entries, list | tuple) or not entries:
        problems.append("step: a recipe has at least one [[step]]")
        return []
    steps: list[Step] = []
    for number, entry in enumerate(entries, 1):
        place = f"step {number}"
        if not isinstance(entry, Mapping):
            problems.append(f"{place}: is no table")
            continue
        kind = str(entry.get("kind"))
        if kind not in STEPS:
            problems.append(f"{place}: kind: {kind!r} is none of {', '.join(STEPS)}")
            continue
        step = _step(STEPS[kind], entry, f"{place} ({kind})", problems)
        if step is not None:
            steps.append(step)
    _check_order(steps, problems)
    return steps


def _step(cls: type[Step], entry: Mapping[str, Any], place: str, problems: list[str]) -> Step | None:
    hints = typing.get_type_hints(cls)
    known = {f.name: f for f in fields(cls)}
    before = len(problems)
    values: dict[str, Any] = {}
    for key, value in entry.items():
        if key == "kind":
            continue
        if key not in known:
            problems.append(f"{place}: {key}: no such key{_similar(key, set(known))}")
            continue
        count = len(problems)
        values[key] = _converted(value, hints[key], f"{place}: {key}", problems)
        check = known[key].metadata.get("check")
        if check is not None and len(problems) == count:  # of the right type
            problem = check(values[key])
            if problem:
                problems.append(f"{place}: {key}: {problem}")
    return cls(**values) if len(problems) == before else None


def _check_order(steps: list[Step], problems: list[str]) -> None:
    """Steps work on the float model, then under fake quantization, then on the int8 file."""
    reached, since = Phase.FLOAT, ""
    measured = False
    for number, step in enumerate(steps, 1):
        phase = step.phase
        measured = measured or (isinstance(step, Sensitivity) and bool(step.values))
        if getattr(step, "bits", 0) and not measured:
            problems.append(f"step {number} ({step.kind}): bits: needs a sensitivity step with values before it")
        if phase == Phase.ANY:
            continue
        if step.kind == "finetune" and reached < Phase.QAT:
            phase = reached  # trains whatever there is
        again = (phase == reached == Phase.CONVERT) or (step.kind == "qat" and reached >= Phase.QAT)
        if phase < reached or again:
            problems.append(f"step {number} ({step.kind}): comes too late, after {since}")
        if phase > reached:
            reached, since = phase, f"step {number} ({step.kind})"


def _converted(value: Any, hint: Any, place: str, problems: list[str]) -> Any:
    """TOML's value as the annotated type; ``MISSING``, with a problem noted, if it is of another."""
    if isinstance(hint, UnionType):
        (hint,) = (member for member in typing.get_args(hint) if member is not type(None))
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        if isinstance(value, list | tuple):
            return tuple(_converted(item, arguments[0], place, problems) for item in value)
    elif origin is not None and issubclass(origin, Mapping):
        if isinstance(value, Mapping):
            return {str(k): _converted(v, arguments[1], f"{place}.{k}", problems) for k, v in value.items()}
    elif hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    wanted = {float: "a number", int: "a whole number", str: "text", bool: "true or false"}.get(hint)
    wanted = wanted or ("a list" if origin is tuple else "a table")
    problems.append(f"{place}: {value!r} is not {wanted}")
    return MISSING


def _similar(key: str, known: set[str]) -> str:
    import difflib

    close = difflib.get_close_matches(key, known, 1)
    return f'; did you mean "{close[0]}"?' if close else ""


assert all(is_dataclass(cls) for cls in STEPS.values())
