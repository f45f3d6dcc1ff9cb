"""Checkpoints: a finished step need not be done again.

A checkpoint is a folder named by the hash of everything that its state depends on: model, data, the recipe up
to this step, the versions of tinygen and the checkpoint's format. It appears at once, by renaming, when it is complete.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen import __version__
from tinygen.compress.constraints import Clusters, Constraint, Mask
from tinygen.compress.kernels import Kernel, Key
from tinygen.compress.log import StepRecord, record_from
from tinygen.compress.saving import load_keras, save_keras
from tinygen.compress.state import State

__all__ = ["Checkpoints"]

# Raised when what is stored, or how a step works, changes.
FORMAT = 2
Array = NDArray[Any]


class Checkpoints:
    """The checkpoints of one model with one data set.

    Args:
        folder: the cache; made when needed.
        identity: what the model and data are, hashed with each recipe's prefix.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self._folder, self._identity = folder, identity

    def load(self, prefix: str) -> tuple[State, StepRecord] | None:
        """The state after a recipe's prefix; ``None`` if there is none, or it is damaged."""
        place = self._place(prefix)
        try:
            data = json.loads((place / "state.json").read_text())
            model = load_keras((place / "model.keras").read_bytes()) if data["keras"] else None
            with np.load(place / "constraints.npz", allow_pickle=False) as archive:
                constraints = _constraints(data["constraints"], archive)
            tflite = (place / "model.tflite").read_bytes() if data["tflite"] else None
            wrapped = _load_wrapped(model, place / "wrapped.npz") if data["wrapped"] else None
        except (OSError, ValueError, KeyError):
            return None
        bindings = {
            int(i): Kernel(k["layer"], k["attribute"], k["kind"], tuple(k["shape"])) for i, k in data["bindings"]
        }
        return State(model, constraints, wrapped, tflite, bindings), record_from(data["record"])

    def save(self, prefix: str, state: State, record: StepRecord) -> None:
        """Store a state; another process may store the same at the same time."""
        place = self._place(prefix)
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=place.parent) as name:
            fresh = Path(name) / "checkpoint"
            fresh.mkdir()
            self._fill(fresh, state, record)
            if place.exists():
                shutil.rmtree(place, ignore_errors=True)
            try:
                fresh.rename(place)
            except OSError:  # another process was faster
                return

    def _fill(self, folder: Path, state: State, record: StepRecord) -> None:
        if state.model is not None:
            (folder / "model.keras").write_bytes(save_keras(state.model))
        entries, arrays = _stored_constraints(state.constraints)
        np.savez(folder / "constraints.npz", allow_pickle=False, **arrays)
        if state.tflite is not None:
            (folder / "model.tflite").write_bytes(state.tflite)
        if state.wrapped is not None:
            weights = {str(i): w for i, w in enumerate(state.wrapped.get_weights())}
            np.savez(folder / "wrapped.npz", allow_pickle=False, **weights)
        data = {
            "keras": state.model is not None,
            "constraints": entries,
            "tflite": state.tflite is not None,
            "wrapped": state.wrapped is not None,
            "bindings": [[i, asdict(kernel)] for i, kernel in state.bindings.items()],
            "record": asdict(record),
        }
        (folder / "state.json").write_text(json.dumps(data))

    def _place(self, prefix: str) -> Path:
        key = json.dumps([FORMAT, __version__, self._identity, prefix])
        return self._folder / hashlib.sha256(key.encode()).hexdigest()[:32]


def _load_wrapped(model: Any, path: Path) -> Any:
    from tinygen.compress.steps.quantizing import fake_quantized

    wrapped, decay, _ = fake_quantized(model)
    decay.assign(1.0)
    with np.load(path, allow_pickle=False) as archive:
        wrapped.set_weights([archive[str(i)] for i in range(len(archive.files))])
    return wrapped


def _stored_constraints(constraints: Mapping[Key, Constraint]) -> tuple[list[dict[str, Any]], dict[str, Array]]:
    entries: list[dict[str, Any]] = []
    arrays: dict[str, Array] = {}
    for number, ((layer, attribute), constraint) in enumerate(constraints.items()):
        entry: dict[str, Any] = {"layer": layer, "attribute": attribute, "type": type(constraint).__name__}
        keep = getattr(constraint, "keep", None)
        if keep is not None:
            arrays[f"{number}_keep"] = keep
        if isinstance(constraint, Clusters):
            entry |= {"kind": constraint.kind, "shared": constraint.shared}
            arrays |= {f"{number}_codes": constraint.codes, f"{number}_scales": constraint.scales}
        entries.append(entry)
    return entries, arrays


def _constraints(entries: list[dict[str, Any]], arrays: Mapping[str, Array]) -> dict[Key, Constraint]:
    found: dict[Key, Constraint] = {}
    for number, entry in enumerate(entries):
        key = (entry["layer"], entry["attribute"])
        keep = arrays[f"{number}_keep"] if f"{number}_keep" in arrays else None  # noqa: SIM401  (NpzFile has no get)
        if entry["type"] == "Mask":
            assert keep is not None
            found[key] = Mask(keep)
        else:
            codes, scales = arrays[f"{number}_codes"], arrays[f"{number}_scales"]
            found[key] = Clusters(entry["kind"], codes, scales, keep, entry["shared"])
    return found
