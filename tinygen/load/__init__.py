"""Read models and data. What a file is, is decided by its content, never by its name alone.

Nothing here imports TensorFlow; ``tinygen.load.keras`` does, inside its functions, in a child process.
"""

from __future__ import annotations

import json
import lzma
import re
import zipfile
import zlib
from enum import Enum
from pathlib import Path

from tinygen.errors import ModelError

__all__ = ["ZIP_ERRORS", "SourceKind", "check_archive", "detect"]

# A model for a microcontroller holds a few megabytes even as float32 with its optimizer's state.
MAX_MODEL_BYTES = 1 << 30
MAX_CONFIG_BYTES = 64 << 20

# What reading a damaged archive may raise.
ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    NotImplementedError,
)

_SUPPORTED = "tinygen reads Keras .keras and .h5 files, SavedModel folders and .tflite files."
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_KERAS_MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}


class SourceKind(Enum):
    """What a model is stored as."""

    TFLITE = "tflite"
    KERAS3 = "keras3"  # .keras archive written by Keras 3
    KERAS2_ZIP = "keras2-zip"  # .keras archive written by tf_keras or by TensorFlow 2.12 to 2.15
    HDF5 = "hdf5"  # .h5, of either Keras
    SAVED_MODEL = "saved-model"  # folder with saved_model.pb


def detect(path: Path) -> SourceKind:
    """Tell what kind of model lies at ``path``, from its first bytes and its members.

    Raises:
        ModelError: missing, empty, unreadable, damaged, or nothing that tinygen reads.
    """
    try:
        if path.is_dir():
            return _detect_directory(path)
        if not path.exists():
            raise ModelError(f"{path}: no such file", hint="Check the path of the model.")
        if not path.is_file():
            raise ModelError(f"{path}: not a regular file", hint=_SUPPORTED)
        with path.open("rb") as file:
            head = file.read(1024)
    except OSError as error:
        raise ModelError(f"{path}: can't be read: {error.strerror or error}") from None
    if not head:
        raise ModelError(f"{path}: the file is empty", hint="Save or download the model again.")
    if path.stat().st_size > MAX_MODEL_BYTES:
        raise ModelError(
            f"{path}: {path.stat().st_size:,} bytes are more than the {MAX_MODEL_BYTES:,} that tinygen reads",
            hint="A model for a microcontroller takes at most a few megabytes.",
        )
    return _detect_file(path, head)


def check_archive(path: Path) -> None:
    """Refuse a .keras archive that is damaged, absurdly large, or whose members leave its folder.

    Raises:
        ModelError
    """
    with _open_zip(path) as archive:
        members = archive.infolist()
        total = sum(member.file_size for member in members)
        if total > MAX_MODEL_BYTES:
            raise ModelError(
                f"{path}: would unpack to {total:,} bytes, more than the {MAX_MODEL_BYTES:,} that tinygen reads",
                hint="This is not a model for a microcontroller; the archive may be hostile.",
            )
        for member in members:
            if member.filename.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", member.filename):
                raise ModelError(f'{path}: member "{member.filename}" lies outside the archive')
        if archive.getinfo("config.json").file_size > MAX_CONFIG_BYTES:
            raise ModelError(f"{path}: config.json is larger than {MAX_CONFIG_BYTES:,} bytes")
        try:
            damaged = archive.testzip()
        except ZIP_ERRORS as error:
            raise _damaged_zip(path, str(error)) from None
    if damaged is not None:
        raise _damaged_zip(path, f"{damaged} fails its checksum")


def _detect_directory(path: Path) -> SourceKind:
    names = {entry.name for entry in path.iterdir()}
    if "saved_model.pb" in names:
        if (path / "saved_model.pb").stat().st_size == 0:
            raise ModelError(f"{path}: saved_model.pb is empty", hint="Save the model again.")
        return SourceKind.SAVED_MODEL
    if "saved_model.pbtxt" in names:
        raise ModelError(f"{path}: SavedModel in text form", hint="Save it as saved_model.pb (as_text=False).")
    if names >= _KERAS_MEMBERS:
        raise ModelError(f"{path}: an unpacked .keras archive", hint="Zip its content into a file model.keras.")
    if not names:
        raise ModelError(f"{path}: the folder is empty", hint=_SUPPORTED)
    raise ModelError(f"{path}: a folder without saved_model.pb", hint=_SUPPORTED)


def _detect_file(path: Path, head: bytes) -> SourceKind:
    if head[4:8] == b"TFL3":
        return SourceKind.TFLITE
    if head.startswith(_HDF5_SIGNATURE):
        return SourceKind.HDF5
    if head.startswith(b"PK"):
        return _detect_zip(path)
    if head.startswith(b"version https://git-lfs"):
        raise ModelError(f"{path}: a Git LFS pointer, not the model itself", hint="Fetch it with `git lfs pull`.")
    raise ModelError(f"{path}: {_guess(path, head)}", hint=_SUPPORTED)


def _detect_zip(path: Path) -> SourceKind:
    with _open_zip(path) as archive:
        names = set(archive.namelist())
        if not names >= {"metadata.json", "config.json"}:
            raise ModelError(f"{path}: {_guess_zip(names)}", hint=_SUPPORTED)
        if archive.getinfo("metadata.json").file_size > MAX_CONFIG_BYTES:
            raise ModelError(f"{path}: metadata.json is larger than {MAX_CONFIG_BYTES:,} bytes")
        try:
            text = archive.read("metadata.json")
        except ZIP_ERRORS as error:
            raise _damaged_zip(path, str(error)) from None
    try:
        version = str(json.loads(text)["keras_version"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ModelError(f"{path}: metadata.json does not tell the Keras version", hint=_SUPPORTED) from None
    major = version.split(".")[0]
    if major == "3":
        return SourceKind.KERAS3
    if major == "2":
        return SourceKind.KERAS2_ZIP
    raise ModelError(f'{path}: written by Keras "{version[:40]}"; tinygen reads those of Keras 2 and 3')


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except ZIP_ERRORS as error:
        raise _damaged_zip(path, str(error)) from None


def _damaged_zip(path: Path, why: str) -> ModelError:
    return ModelError(
        f"{path}: damaged or truncated archive ({why or 'unreadable'})", hint="Save or download the model again."
    )


def _guess(path: Path, head: bytes) -> str:
    """What an unknown file may be, in words, for the message."""
    if head.startswith(b"\x80") and b"torch" in head:
        return "a PyTorch file, not a Keras model"
    if path.suffix == ".onnx":
        return "an ONNX model, not a Keras model"
    if path.name == "saved_model.pb":
        return "the graph of a SavedModel by itself; pass the folder that holds it"
    if head.lstrip().startswith(b"{"):
        return "JSON: an architecture without weights; save the whole model with model.save()"
    if path.suffix == ".tflite":
        return "not a TensorFlow Lite file (the identifier TFL3 is missing)"
    return f"neither a Keras nor a TensorFlow Lite model (begins with {head[:8].hex(' ')})"


def _guess_zip(names: set[str]) -> str:
    if any(name.endswith("data.pkl") for name in names):
        return "a PyTorch archive, not a Keras model"
    if any(name.endswith("saved_model.pb") for name in names):
        return "a zipped SavedModel; unpack it and pass the folder"
    if any(name.endswith(".npy") for name in names):
        return "an archive of numpy arrays (data, not a model)"
    return "a zip archive without Keras's config.json and metadata.json"
