"""Terminal output: one console, and a line that says what is being done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

__all__ = ["console", "progress"]


def console(*, stderr: bool = False) -> Console:
    return Console(stderr=stderr, highlight=False)


@contextmanager
def progress(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """A spinner with the current step on a terminal; plain lines elsewhere; nothing if quiet. On stderr."""
    out = console(stderr=True)
    if quiet:
        yield lambda text: None
    elif out.is_terminal:
        with out.status("starting") as status:
            yield lambda text: status.update(text)
    else:
        yield lambda text: out.print(f"[dim]…[/] {text}")
