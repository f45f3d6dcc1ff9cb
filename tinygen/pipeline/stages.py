"""Bookkeeping of the stages: what is at work, and how long each took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tinygen.report import StageReport

__all__ = ["Progress", "Stages"]

Progress = Callable[[str], None]


class Stages:
    """Times the stages and tells the user which one is at work.

    Args:
        progress: called with a few words before each step.
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.done: list[StageReport] = []

    @contextmanager
    def stage(self, name: str, text: str) -> Iterator[None]:
        """Time a block as the stage ``name``."""
        self.progress(text)
        start = time.monotonic()
        yield
        self.done.append(StageReport(name, round(time.monotonic() - start, 3)))
