"""Everything that tinygen raises on purpose.

    TinygenError                exit code 1 unless a subclass says otherwise
    ├── InputError          2   the user's model, data or options
    │   ├── ModelError          unreadable or inconsistent model file
    │   ├── UnsupportedError    operators or attributes that tinygen can't translate
    │   ├── DataError           calibration or validation data
    │   ├── BoardError          unknown board, or a mistake in a board file
    │   └── OptionError         command-line or API options
    ├── BudgetError         3   flash, RAM or latency
    ├── MismatchError       4   outputs differ from the reference, accuracy below its floor
    ├── ToolError           5   a compiler, emulator or serial port is missing or failed
    └── InternalError       1   an invariant of tinygen's own was broken: our bug

A message says where, what and the numbers; ``hint`` says what to try. Only ``tinygen.cli`` prints
them and turns them into exit codes.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "BoardError",
    "BudgetError",
    "DataError",
    "InputError",
    "InternalError",
    "MismatchError",
    "ModelError",
    "OptionError",
    "TinygenError",
    "ToolError",
    "UnsupportedError",
]


class TinygenError(Exception):
    """Base of all deliberate errors.

    Args:
        message: one line: where, what, the numbers.
        hint: what the user can do about it, one sentence or two.
        details: further lines, such as one per unsupported operator or a child process's last output.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = tuple(details)

    def __str__(self) -> str:
        lines = [self.message, *(f"  {line}" for line in self.details)]
        return "\n".join(lines + ([self.hint] if self.hint else []))


class InputError(TinygenError):
    """The user's input can't be used."""

    exit_code = 2


class ModelError(InputError):
    """The model file is unreadable, truncated, hostile or inconsistent."""


class UnsupportedError(InputError):
    """The model is sound, but uses what tinygen can't translate exactly."""


class DataError(InputError):
    """Calibration or validation data are missing or don't fit the model."""


class BoardError(InputError):
    """No such board, or a mistake in its description."""


class OptionError(InputError):
    """Options that contradict each other or lie outside their range."""


class BudgetError(TinygenError):
    """The firmware does not fit the flash, RAM or latency asked for."""

    exit_code = 3


class MismatchError(TinygenError):
    """The firmware ran, but its outputs differ from the reference, or accuracy is below its floor."""

    exit_code = 4


class ToolError(TinygenError):
    """An external program is missing, failed or took too long."""

    exit_code = 5


class InternalError(TinygenError):
    """An invariant of tinygen's own does not hold."""

    exit_code = 1
