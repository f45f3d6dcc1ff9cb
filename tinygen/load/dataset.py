"""Samples for calibration and validation: ``.npz`` and ``.npy`` files."""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.errors import DataError
from tinygen.load import ZIP_ERRORS

__all__ = ["FORMAT_HINT", "Dataset", "fit", "load_dataset"]

FORMAT_HINT = (
    "Make the file with numpy.savez('samples.npz', x=samples, y=labels): x of shape [samples, *model input], "
    "y (optional) one class number a sample. A model with several inputs takes x_0, x_1, … instead of x."
)
# Calibration needs a few hundred samples; this keeps a hostile or mistaken file from filling the memory.
MAX_BYTES = 4 << 30


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Samples, one array for each input of the model.

    Attributes:
        inputs: arrays [samples, …] of float32 or of an integer type, finite, equally many samples in each.
        y: what belongs to the samples, [samples, …], as it lay in the file; ``None`` without.
        path: where it was read from, for messages.
    """

    inputs: tuple[NDArray[Any], ...]
    y: NDArray[Any] | None
    path: str

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.inputs[0])

    @property
    def labels(self) -> NDArray[np.int64] | None:
        """Class numbers [samples], from numbers or one-hot rows; ``None`` if ``y`` holds no classes."""
        if self.y is None:
            return None
        y = self.y.reshape(len(self.y), -1)
        if y.shape[1] > 1:
            one_hot = bool(np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all())
            return y.argmax(axis=1).astype(np.int64) if one_hot else None
        whole = y[:, 0].astype(np.int64)
        return whole if bool((whole == y[:, 0]).all() and (whole >= 0).all()) else None

    def spread(self, count: int) -> Dataset:
        """At most ``count`` samples, evenly spaced, so that sorted classes all take part."""
        if len(self) <= count:
            return self
        chosen = np.linspace(0, len(self) - 1, count).round().astype(np.int64)
        return replace(self, inputs=tuple(x[chosen] for x in self.inputs), y=None if self.y is None else self.y[chosen])


def load_dataset(path: Path) -> Dataset:
    """Read ``x`` (or ``x_0``, ``x_1``, …) and optionally ``y`` from .npz, or the samples alone from .npy.

    Pickled objects are never read. Floats become float32; other members of an archive are ignored.

    Raises:
        DataError: missing or unreadable, no or unequally many samples, not numbers, NaN or infinite.
    """
    members = _read(path)
    names = _input_names(path, members)
    inputs = tuple(_numbers(path, name, members[name]) for name in names)
    for name, x in zip(names, inputs, strict=True):
        if x.ndim == 0 or x.size == 0:
            raise DataError(f"{path}: {name} has shape {list(x.shape)}: no samples in it", hint=FORMAT_HINT)
    y = _numbers(path, "y", members["y"]) if "y" in members else None
    _check_lengths(path, dict(zip(names, inputs, strict=True)) | ({} if y is None else {"y": y}))
    return Dataset(inputs, y, str(path))


def fit(dataset: Dataset, shapes: Sequence[tuple[int | None, ...]], source: str) -> Dataset:
    """Give the samples the shapes of a model's inputs.

    Dimensions of 1 may be missing or in excess: [N, 49, 10] fits an input of [49, 10, 1]; the order of
    the values in memory stays the same.

    Args:
        shapes: the model's input shapes without the batch; ``None`` is a dimension of any size.
        source: the model, for messages.

    Raises:
        DataError: names both shapes.
    """
    if len(dataset.inputs) != len(shapes):
        raise DataError(
            f"{dataset.path}: {len(dataset.inputs)} input arrays, but {source} has {len(shapes)} inputs "
            f"({', '.join(_text(shape) for shape in shapes)} for each sample)",
            hint=FORMAT_HINT,
        )
    inputs = []
    for i, (x, shape) in enumerate(zip(dataset.inputs, shapes, strict=True)):
        fitted = _fitted_shape(x.shape[1:], shape)
        if fitted is None:
            name = "x" if len(shapes) == 1 else f"x_{i}"
            raise DataError(
                f"{dataset.path}: {name} holds samples of shape {_text(x.shape[1:])}, "
                f"but {source} takes {_text(shape)}",
                hint="Reshape the samples as the model was trained: [samples, height, width, channels] for images.",
            )
        inputs.append(x.reshape(len(x), *fitted))
    return replace(dataset, inputs=tuple(inputs))


def _fitted_shape(have: tuple[int, ...], want: tuple[int | None, ...]) -> tuple[int, ...] | None:
    if len(have) == len(want) and all(w in (None, h) for h, w in zip(have, want, strict=True)):
        return have
    known = tuple(w for w in want if w is not None)
    if len(known) == len(want) and [h for h in have if h != 1] == [w for w in known if w != 1]:
        return known
    if len(want) == len(have) + 1 and want[-1] == 1:
        return _fitted_shape((*have, 1), want)
    return None


def _text(shape: Sequence[int | None]) -> str:
    return "[" + ",".join("?" if d is None else str(d) for d in shape) + "]"


def _read(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file by name; the only array of an .npy file is called ``x``."""
    try:
        if not path.exists():
            raise DataError(f"{path}: no such file", hint=FORMAT_HINT)
        if path.stat().st_size == 0:
            raise DataError(f"{path}: the file is empty", hint=FORMAT_HINT)
        _check_size(path)
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"x": loaded}
        with loaded:
            wanted = [name for name in loaded.files if name in ("x", "y") or re.fullmatch(r"x_\d+", name)]
            if not wanted:
                listed = ", ".join(loaded.files[:10]) or "nothing"
                raise DataError(f"{path}: no array named x (it holds {listed})", hint=FORMAT_HINT)
            return {name: loaded[name] for name in wanted}
    except (*ZIP_ERRORS, MemoryError) as error:
        if "allow_pickle" in str(error):
            raise DataError(
                f"{path}: no numpy file, or one that holds Python objects, which tinygen does not unpickle",
                hint=FORMAT_HINT,
            ) from None
        raise DataError(f"{path}: can't be read: {str(error) or type(error).__name__}", hint=FORMAT_HINT) from None


def _check_size(path: Path) -> None:
    size = path.stat().st_size
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
    if size > MAX_BYTES:
        raise DataError(
            f"{path}: {size:,} bytes of samples are more than the {MAX_BYTES:,} that tinygen reads",
            hint="A few hundred samples are enough for calibration, a few thousand for accuracy.",
        )


def _input_names(path: Path, members: dict[str, NDArray[Any]]) -> list[str]:
    numbered = sorted((name for name in members if name.startswith("x_")), key=lambda name: int(name[2:]))
    if "x" in members:
        return ["x"]
    if not numbered:
        raise DataError(f"{path}: no array named x (only y)", hint=FORMAT_HINT)
    if numbered != [f"x_{i}" for i in range(len(numbered))]:
        raise DataError(f"{path}: inputs {', '.join(numbered)} are not numbered from x_0 on", hint=FORMAT_HINT)
    return numbered


def _numbers(path: Path, name: str, array: NDArray[Any]) -> NDArray[Any]:
    """The array if it holds finite numbers, floats as float32."""
    if array.dtype.kind not in "fiub":
        raise DataError(f"{path}: {name} holds {array.dtype}, not numbers", hint=FORMAT_HINT)
    if array.dtype.kind != "f":
        return array.astype(np.int8) if array.dtype.kind == "b" else array
    with np.errstate(over="ignore"):  # what overflows is counted below
        array = array.astype(np.float32)
    bad = math.prod(array.shape) - int(np.isfinite(array).sum())
    if bad:
        raise DataError(
            f"{path}: {bad} of the {array.size} values of {name} are NaN, infinite or too large for float32",
            hint="Clean the samples; they set the ranges of the quantization.",
        )
    return array


def _check_lengths(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    lengths = {name: (len(array) if array.ndim else 0) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{name} {count}" for name, count in lengths.items())
        raise DataError(f"{path}: unequal numbers of samples: {counts}", hint=FORMAT_HINT)
