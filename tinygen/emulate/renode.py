"""Renode: scripts for people and their CI, and runs by ``renode-test`` where that is installed.

Written for Renode 1.16. Its console always exits with 0; only ``renode-test`` tells success from failure.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from tinygen.board import Board, Renode, TicksUnit
from tinygen.emulate.runner import POLL_SECONDS, started
from tinygen.emulate.session import Session
from tinygen.emulate.tg import LineSplitter
from tinygen.errors import OptionError, ToolError
from tinygen.ir import ModelInterface
from tinygen.resources import environment

__all__ = ["RenodeEmulator", "renode_files"]

PROGRAM = "renode-test"
# Virtual seconds between two lines of the UART; an inference takes less on any board.
LINE_SECONDS = 60
# Renode itself takes this long to start and to compile its platform, on a slow machine.
START_SECONDS = 60.0


class RenodeEmulator:
    """Runs images in Renode.

    Raises:
        ToolError: ``renode-test`` is not on the PATH.
        OptionError: the board says nothing about Renode.
    """

    name = "renode"

    def __init__(self, board: Board) -> None:
        if board.renode is None:
            known = ", ".join(board.emulators) or "none"
            raise OptionError(f"Renode does not know the board {board.name}; emulators that do: {known}")
        self._renode: Renode = board.renode
        self._program = _find()

    @property
    def version(self) -> str:
        return _version()

    @property
    def ticks(self) -> TicksUnit:
        return self._renode.ticks

    @property
    def instructions_hz(self) -> int:
        """Of the platform, as far as the board file tells."""
        return self._renode.mips * 1_000_000

    def run(self, board: Board, elf: Path, session: Session, seconds: float) -> None:
        """Run one image; see ``runner.Emulator``."""
        folder = elf.parent / f"{elf.stem}-renode"
        folder.mkdir()
        log = folder / "uart.log"
        files = renode_files(board, session.model, f"../{elf.name}", uart_log=str(log))
        suite = "run.robot"
        for name, text in {**files, suite: _run_suite(board, session.model)}.items():
            (folder / name).write_text(text, encoding="utf-8")
        limit = seconds + START_SECONDS
        command = [self._program, suite, "-r", str(folder), "--test-timeout", f"{limit:.0f}s"]
        with started(command, subprocess.STDOUT, cwd=folder) as process:
            output, status = _wait(process, session, limit)
        for line in LineSplitter().feed(log.read_bytes() + b"\n" if log.is_file() else b""):
            session.feed(line)
        if session.finished:
            return
        # None is our time limit, 1 the suite's verdict that the run did not end; 2 is Renode's own death.
        if status in (None, 1) and log.is_file():
            raise session.explain_timeout(limit)
        raise session.explain_death(f"Renode ended with status {status}", output.splitlines())


def _wait(process: subprocess.Popen[bytes], session: Session, seconds: float) -> tuple[str, int | None]:
    """What a process printed and its status; ``None`` if it did not end in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        session.raise_if_cancelled()
        with contextlib.suppress(subprocess.TimeoutExpired):
            output, _ = process.communicate(timeout=POLL_SECONDS)
            return output.decode(errors="replace"), process.returncode
    return "", None


def renode_files(board: Board, model: ModelInterface, elf: str, *, uart_log: str = "") -> Mapping[str, str]:
    """Platform description and script, by file name.

    Args:
        elf: the validation image, seen from the folder that these files will lie in.
        uart_log: file for all that the UART says.
    """
    names = {kind: f"{model.name}.{kind}" for kind in ("repl", "resc")}
    views = {"board": board, "renode": board.renode, "model": model, "elf": elf, "uart_log": uart_log, **names}
    templates = environment()
    return {name: templates.get_template(f"emulation/renode.{kind}.j2").render(views) for kind, name in names.items()}


def _run_suite(board: Board, model: ModelInterface) -> str:
    """What ``renode-test`` is to do: run until the firmware says that it is done, or faults."""
    template = environment().get_template("emulation/renode_run.robot.j2")
    return template.render(renode=board.renode, resc=f"{model.name}.resc", seconds=LINE_SECONDS)


def _find() -> str:
    found = shutil.which(PROGRAM)
    if found is None:
        raise ToolError(
            f"{PROGRAM} is not on the PATH; Renode can't be run without it",
            hint="Get Renode 1.16's portable archive from https://github.com/renode/renode/releases, unpack it, put "
            "it on the PATH and `pip install -r tests/requirements.txt` there; or use --emulator qemu.",
        )
    return found


@cache
def _version() -> str:
    renode = shutil.which("renode")
    if renode is None:
        return "Renode"
    try:
        text = subprocess.run([renode, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return "Renode"
    return next((line.strip() for line in text.splitlines() if "Renode" in line), "Renode")
