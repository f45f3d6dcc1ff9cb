"""The output folder: nothing half-written, nothing of the user's overwritten."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tinygen.errors import OptionError

__all__ = ["check_replaceable", "staged_output"]

# What `tinygen build`, `compress` and `compare` leave in their folders.
_MARKERS = ("report.json", "compress.json", "compare.json")


def check_replaceable(folder: Path, *, force: bool) -> None:
    """Refuse to replace what tinygen did not make.

    Raises:
        OptionError: ``folder`` is a file, or a folder that holds something else than a tinygen build.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise OptionError(f"{folder}: exists and is not a folder", hint="Choose another folder with --out.")
    if force or not folder.exists() or not any(folder.iterdir()) or _made_by_tinygen(folder):
        return
    raise OptionError(
        f"{folder}: exists, and tinygen did not make it",
        hint="Choose another folder with --out, or pass --force to replace it and all that is in it.",
    )


def _made_by_tinygen(folder: Path) -> bool:
    return any(_is_ours(folder / marker) for marker in _MARKERS)


def _is_ours(marker: Path) -> bool:
    try:
        return "tinygen" in json.loads(marker.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False


@contextmanager
def staged_output(folder: Path, *, force: bool) -> Iterator[Path]:
    """A folder to work in, which becomes ``folder`` if the block ends well and vanishes if not.

    The work is done in the system's temporary folder; at the end it is copied beside its destination
    and put in place by renaming, so that ``folder`` is never seen half-written, even if the process is killed.

    Raises:
        OptionError: as ``check_replaceable`` says, or the folder can't be written.
    """
    check_replaceable(folder, force=force)
    with tempfile.TemporaryDirectory(prefix="tinygen-") as work:
        stage = Path(work) / "out"
        stage.mkdir()
        yield stage
        try:
            _publish(stage, folder)
        except OSError as error:
            raise OptionError(
                f"{folder}: can't be written: {error.strerror or error}", hint="Choose another folder with --out."
            ) from error


def _publish(stage: Path, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as beside:
        fresh, old = Path(beside) / "fresh", Path(beside) / "old"
        shutil.copytree(stage, fresh)
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)
