"""Where tinygen keeps what it need not compute again."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache_folder"]


def cache_folder() -> Path:
    """Folder of compression's checkpoints: in ``$TINYGEN_CACHE``, else in the user's cache folder."""
    chosen = os.environ.get("TINYGEN_CACHE")
    if chosen:
        return Path(chosen).absolute() / "compress"
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tinygen" / "compress"
