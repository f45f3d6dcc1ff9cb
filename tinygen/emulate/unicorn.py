"""Unicorn: QEMU's CPU cores as a Python package, for machines where nobody may install QEMU.

It knows cores and memory, but no board: what a board's UART and counters do is read from the drivers' comments
(``peripherals.py``). Instruction counts are the same as QEMU's.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from tinygen.board import Board, TicksUnit
from tinygen.emulate.peripherals import can_send
from tinygen.emulate.runner import follow
from tinygen.emulate.session import Session
from tinygen.errors import OptionError, ToolError

__all__ = ["CORES", "UnicornEmulator", "command_line", "has_unicorn", "unicorn_command", "unicorn_knows"]

WORKER = "tinygen.emulate.unicorn_worker"
# Core -> name of Unicorn's model of it. It has none with MVE; M0+ runs M0's instructions.
CORES: Mapping[str, str] = {
    "cortex-m0": "UC_CPU_ARM_CORTEX_M0",
    "cortex-m0plus": "UC_CPU_ARM_CORTEX_M0",
    "cortex-m0+": "UC_CPU_ARM_CORTEX_M0",
    "cortex-m3": "UC_CPU_ARM_CORTEX_M3",
    "cortex-m4": "UC_CPU_ARM_CORTEX_M4",
    "cortex-m7": "UC_CPU_ARM_CORTEX_M7",
    "cortex-m33": "UC_CPU_ARM_CORTEX_M33",
}


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
        if not unicorn_knows(board):
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


def unicorn_knows(board: Board) -> bool:
    """Whether there are models of the board's core and UART."""
    return board.cpu.core in CORES and can_send(board)


def unicorn_command(board: Board, elf: Path | str, python: str = "python3") -> list[str]:
    """The command that runs an image, its UART on standard output."""
    return [python, "-P", "-m", WORKER, str(board.path.resolve()), str(elf)]


def command_line(board: Board, elf: str) -> str:
    """The same for people to repeat it; a board of ours goes by its name."""
    *command, path, image = unicorn_command(board, elf)
    ours = Path(path).parent.name == board.name and Path(path).name == "board.toml"
    return shlex.join([*command, board.name if ours else path, image])
