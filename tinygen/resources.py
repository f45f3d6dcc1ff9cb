"""Templates, boards and firmware sources: where they are, in a checkout and in an installed wheel.

A wheel carries them in ``tinygen/_resources`` (see ``pyproject.toml``); a checkout has them at its root.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tinygen.errors import InternalError

__all__ = ["BOARDS", "FIRMWARE", "TEMPLATES", "environment"]

_PACKAGE = Path(__file__).resolve().parent


def _root() -> Path:
    """The folder that holds ``templates``, ``boards`` and ``firmware``; a wheel's own come first."""
    for root in (_PACKAGE / "_resources", _PACKAGE.parent):
        if (root / "templates").is_dir() and (root / "boards").is_dir():
            return root
    raise InternalError(f"tinygen's templates are missing beside {_PACKAGE}", hint="Install tinygen again.")


_ROOT = _root()
TEMPLATES = _ROOT / "templates"
BOARDS = _ROOT / "boards"
FIRMWARE = _ROOT / "firmware"


@cache
def environment() -> Environment:
    """The one Jinja environment, over ``templates/``.

    An undefined name is an error, and templates print what is given without escaping: they make C,
    linker scripts and text.
    """
    return Environment(
        loader=FileSystemLoader(TEMPLATES, encoding="utf-8"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
