"""Unicorn: QEMU's CPU cores as a Python package, for machines where nobody may install QEMU.

It knows cores and memory, but no board: what a board's UART and counters do is read from the drivers' comments
(``tinygen/board/unicorn.py``). Instruction counts are the same as QEMU's.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shlex
import sys
from pathlib import Path

from tinygen.board import Board, TicksUnit
from tinygen.board.unicorn import CORES
from tinygen.emulate.runner import follow
from tinygen.emulate.session import Session
from tinygen.errors import OptionError, ToolError

__all__ = ["UnicornEmulator", "command_line", "has_unicorn", "unicorn_command"]

WORKER = "tinygen.emulate.unicorn_worker"


class UnicornEmulator:
    """Runs images in Unicorn, each in a process of its own.

    Raises:
        ToolError: Unicorn is not installed.
        OptionError: it has no model of the board's core or UART.
    """

    name = "unicorn"
    ticks: TicksUnit = "instructions"
    instructions_hz = 0  # its ticks are instructions already

    def __init__(self, board: Board) -> None:
        if board.unicorn is None:
            what = f"core {board.cpu.core}" if board.cpu.core not in CORES else f"UART {board.uart.driver}"
            raise OptionError(f"Unicorn can't run the board {board.name}: there is no model of its {what}")
        if not has_unicorn():
            raise ToolError("Unicorn is not installed", hint="Install it: `pip install 'tinygen[rootless]'`.")

    @property
    def version(self) -> str:
        return f"Unicorn {importlib.metadata.version('unicorn')}"

    def run(self, board: Board, elf: Path, session: Session, seconds: float) -> None:
        """Run one image; see ``runner.Emulator``."""
        follow(unicorn_command(board, elf, sys.executable), session, seconds, "Unicorn")


def has_unicorn() -> bool:
    """Whether the package is installed; it is not imported."""
    return importlib.util.find_spec("unicorn") is not None


def unicorn_command(board: Board, elf: Path | str, python: str = "python3") -> list[str]:
    """The command that runs an image, its UART on standard output."""
    return [python, "-P", "-m", WORKER, str(board.path.resolve()), str(elf)]


def command_line(board: Board, elf: str) -> str:
    """The same for people to repeat it; a board of ours goes by its name."""
    *command, path, image = unicorn_command(board, elf)
    ours = Path(path).parent.name == board.name and Path(path).name == "board.toml"
    return shlex.join([*command, board.name if ours else path, image])
