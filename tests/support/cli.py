"""Runs the command line in a process of its own, as a user would."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Finished", "tinygen"]


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str


def tinygen(*arguments: str | Path, cwd: Path, env: dict[str, str] | None = None, timeout: float = 300) -> Finished:
    """Run ``tinygen`` with these arguments in ``cwd``; never raises on a bad exit code."""
    finished = subprocess.run(
        [sys.executable, "-m", "tinygen", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200", **(env or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Finished(finished.returncode, finished.stdout, finished.stderr)
