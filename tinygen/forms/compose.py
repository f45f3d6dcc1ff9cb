"""The whole choice: a form for each call first, then what calls can do together."""

from __future__ import annotations

from tinygen.forms.bands import with_bands
from tinygen.forms.choose import Choice, Mode
from tinygen.forms.choose import choose as choose_forms
from tinygen.forms.form import Target
from tinygen.ir import Program

__all__ = ["choose"]

# Bands spend calls and a little copying on RAM: nothing for those who want speed or little flash alone.
_BANDED = (Mode.RAM, Mode.BALANCED)


def choose(program: Program, target: Target, mode: Mode, *, flash_limit: int | None = None) -> Choice:
    """Replace calls by the forms that suit the mode best, and pairs of calls by bands.

    Args:
        flash_limit: bytes for constants and kernels together.
    """
    choice = choose_forms(program, target, mode, flash_limit=flash_limit)
    return with_bands(choice, program, target, flash_limit=flash_limit) if mode in _BANDED else choice
