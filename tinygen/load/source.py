"""The user's model file: its hash, its kind, and the flatbuffer that it holds or becomes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tinygen.errors import ModelError

__all__ = ["hash_source", "read_flatbuffer"]


def hash_source(path: Path) -> str:
    """SHA-256 of a file; of a folder, over the relative names and hashes of its files in order."""
    try:
        if path.is_file():
            return hashlib.sha256(path.read_bytes()).hexdigest()
        digest = hashlib.sha256()
        for file in sorted(p for p in path.rglob("*") if p.is_file()):
            digest.update(file.relative_to(path).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(file.read_bytes()).digest())
        return digest.hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: can't be read: {error.strerror or error}") from error


def read_flatbuffer(path: Path) -> bytes:
    """The bytes of a .tflite file."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: can't be read: {error.strerror or error}") from error
