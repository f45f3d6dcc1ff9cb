"""QEMU: system emulation with an instruction count that repeats exactly."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path

from tinygen.board import Board, Qemu, TicksUnit
from tinygen.emulate.runner import follow
from tinygen.emulate.session import Session
from tinygen.errors import OptionError, ToolError

__all__ = ["QemuEmulator", "command_line", "find_program", "qemu_command"]

# Program -> packages of Debian and of Fedora.
PACKAGES = {
    "qemu-system-arm": ("qemu-system-arm", "qemu-system-arm"),
    "qemu-system-riscv32": ("qemu-system-misc", "qemu-system-riscv"),
}


class QemuEmulator:
    """Runs images in the QEMU machine that a board names.

    Raises:
        ToolError: QEMU is not on the PATH.
        OptionError: the board names no QEMU machine.
    """

    name = "qemu"

    def __init__(self, board: Board) -> None:
        self._program = find_program(board)
        assert board.qemu is not None
        self._machine: Qemu = board.qemu

    @property
    def version(self) -> str:
        return _version(self._program)

    @property
    def ticks(self) -> TicksUnit:
        return self._machine.ticks

    @property
    def instructions_hz(self) -> int:
        """``-icount shift=0`` makes an instruction a nanosecond."""
        return 1_000_000_000

    def run(self, board: Board, elf: Path, session: Session, seconds: float) -> None:
        """Run one image; see ``runner.Emulator``."""
        command = qemu_command(self._machine, self._program, str(elf))
        follow(command, session, seconds, f"QEMU ({self._machine.machine})")


def qemu_command(machine: Qemu, program: str, elf: str, *, counted: bool = True) -> list[str]:
    """QEMU without a screen, the board's UART on its standard output.

    ``-icount shift=0`` makes an instruction a nanosecond of virtual time: counts repeat exactly. The
    log of guest errors stays off: the clock's and flash's registers are not modelled. Without
    ``counted``, blocks of instructions run undivided, which is what a trace wants.
    """
    serials = [word for _ in range(machine.serial) for word in ("-serial", "null")]
    return [
        program,
        *("-M", machine.machine, "-display", "none", "-monitor", "none", "-nodefaults"),
        *serials,
        *("-serial", "stdio"),
        *(("-icount", "shift=0") if counted else ()),
        *machine.args,
        *("-kernel", elf),
    ]


def command_line(machine: Qemu, elf: str) -> str:
    """The command that runs an image, for people to repeat it."""
    return shlex.join(qemu_command(machine, machine.program, elf))


def find_program(board: Board) -> str:
    """Where the board's QEMU is.

    Raises:
        OptionError: the board names no QEMU machine.
        ToolError: it is not on the PATH.
    """
    if board.qemu is None:
        known = ", ".join(board.emulators) or "none"
        raise OptionError(f"QEMU does not know the board {board.name}; emulators that do: {known}")
    program = board.qemu.program
    found = shutil.which(program)
    if found is None:
        debian, fedora = PACKAGES.get(program, ("qemu-system", "qemu"))
        rootless = (
            "or, without root, `pip install 'tinygen[rootless]'`, which brings Unicorn; " if board.unicorn else ""
        )
        raise ToolError(
            f"{program} is not on the PATH; the firmware can't be run without it",
            hint=f"Install it: `apt install {debian}` on Debian and Ubuntu, `dnf install {fedora}` on Fedora, "
            f"`brew install qemu` on macOS; {rootless}or build with --no-validate.",
        )
    return found


@cache
def _version(program: str) -> str:
    try:
        text = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolError(f"{program} --version failed: {error}") from error
    match = re.search(r"version (\S+)", text)
    return f"QEMU {match[1]}" if match else text.strip().splitlines()[0]
