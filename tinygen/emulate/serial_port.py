"""A real board on a serial port: flash it, and listen to the same lines as an emulator prints."""

from __future__ import annotations

import contextlib
import importlib.metadata
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

from tinygen.board import Board, TicksUnit
from tinygen.build.ihex import write_hex
from tinygen.build.tools import run_tool
from tinygen.emulate.flashing import find_flasher, flash_command, ways_to_flash
from tinygen.emulate.runner import POLL_SECONDS
from tinygen.emulate.session import Session
from tinygen.emulate.tg import LineSplitter
from tinygen.errors import OptionError, ToolError

__all__ = ["SerialBoard", "serial_ports"]

FLASH_SECONDS = 300.0
# The firmware says hello within milliseconds of the reset with which a flasher ends.
SETTLE_SECONDS = 1.0
_HELLO, _FAULT, _TG = "TG hello ", "TG fault ", "TG "
# Counters that run with the core's clock.
_CYCLE_COUNTERS = {"dwt", "systick", "riscv_mcycle"}


class SerialBoard:
    """The board at the other end of a serial port.

    Args:
        board: its ``[flash]`` table decides which programs can flash it.
        port: such as ``/dev/ttyACM0`` or ``COM3``.
        baud: bits a second; ``None`` for the board file's.
        notify: called with what a person has to do where no program can flash the board.

    Raises:
        OptionError: no port was named.
    """

    name = "serial"
    instructions_hz = 0

    def __init__(
        self, board: Board, port: str | None, baud: int | None = None, notify: Callable[[str], None] = lambda text: None
    ) -> None:
        if port is None:
            ports = ", ".join(serial_ports()) or "none"
            raise OptionError(f"--emulator serial: name the port with --port; ports on this machine: {ports}")
        self._port = port
        self._baud = baud or board.uart.baud
        self._notify = notify
        self._lock = Lock()  # there is one board, whoever asks
        self.ticks: TicksUnit = "cycles" if board.ticks[0].driver in _CYCLE_COUNTERS else "time"

    @property
    def version(self) -> str:
        return f"{self._port} at {self._baud} baud, pyserial {importlib.metadata.version('pyserial')}"

    def run(self, board: Board, elf: Path, session: Session, seconds: float) -> None:
        """Flash an image and listen; see ``runner.Emulator``.

        Without a program that can flash the board, the image is offered to the user, and the time limit is for
        flashing it, too.
        """
        with self._lock, self._opened() as port, ThreadPoolExecutor(1) as pool:
            flasher = find_flasher(board)
            if flasher is None:
                self._offer(board, elf)
                flashing = None
            else:
                flashing = pool.submit(_flash, flash_command(flasher, board, elf), elf.parent)
            try:
                self._listen(port, board, session, seconds, flashing)
            except OSError as error:  # pyserial's own is one
                raise session.explain_death(f"the serial port {self._port} was lost ({error})", []) from error

    def _listen(self, port: Any, board: Board, session: Session, seconds: float, flashing: Future[None] | None) -> None:
        """Read while the board is flashed, too: its first line may come before the flasher has ended."""
        stream = _Stream(LineSplitter())
        deadline = time.monotonic() + seconds
        while not session.finished:
            session.raise_if_cancelled()
            stream.take(port.read(max(1, port.in_waiting)))
            if flashing is not None:
                deadline = time.monotonic() + seconds
                if not flashing.done():
                    continue
                flashing.result()
                flashing = None
                stream.forget_what_ran_before()
            for line in stream.lines():
                if session.finished:
                    break
                session.feed(line)
                deadline = time.monotonic() + seconds if line.startswith(_TG) else deadline
                _check_board(session, board)
            if time.monotonic() > deadline:
                raise session.explain_timeout(seconds)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Any]:
        import serial

        try:
            port = serial.Serial(self._port, self._baud, timeout=POLL_SECONDS, exclusive=True)
        except (serial.SerialException, OSError, ValueError) as error:
            ports = ", ".join(serial_ports()) or "none"
            raise ToolError(
                f"the serial port {self._port} can't be opened: {error}",
                hint=f"Ports on this machine: {ports}. On Linux, access needs the group dialout: "
                "`sudo usermod -aG dialout $USER`, then log in again.",
            ) from error
        with port:
            port.reset_input_buffer()
            yield port

    def _offer(self, board: Board, elf: Path) -> None:
        image = elf.with_suffix(".hex")
        write_hex(elf, image)
        ways = "".join(f"\n    {way}" for way in ways_to_flash(board, str(elf), str(image)))
        self._notify(
            f"flash {image} (or {elf.name} beside it) onto the board and reset it; listening on {self._port}"
            + (f"\n  with one of these programs tinygen does it by itself:{ways}" if ways else "")
        )


def _flash(command: Sequence[str], folder: Path) -> None:
    run_tool(command, cwd=folder, seconds=FLASH_SECONDS)
    time.sleep(SETTLE_SECONDS)


class _Stream:
    """Lines of the firmware that was asked for: what comes before its hello is another one's."""

    def __init__(self, splitter: LineSplitter) -> None:
        self._splitter = splitter
        self._lines: list[str] = []
        self._greeted = False

    def take(self, chunk: bytes) -> None:
        self._lines += self._splitter.feed(chunk)

    def forget_what_ran_before(self) -> None:
        """Connecting, erasing and resetting may all have started the old firmware: keep the last start."""
        starts = [i for i, line in enumerate(self._lines) if line.startswith(_HELLO)]
        self._lines = self._lines[starts[-1] :] if starts else []

    def lines(self) -> Iterator[str]:
        lines, self._lines = self._lines, []
        for line in lines:
            self._greeted = self._greeted or line.startswith((_HELLO, _FAULT))
            if self._greeted or not line.startswith(_TG):
                yield line


def _check_board(session: Session, board: Board) -> None:
    runs_on = session.info.get("board", board.name)
    if runs_on != board.name:
        raise ToolError(
            f"the firmware at the port was built for the board {runs_on}, not for {board.name}",
            details=session.tail(),
            hint="Is this the right port? Flash this build's firmware.",
        )


def serial_ports() -> Sequence[str]:
    """Names of the serial ports that this machine has."""
    from serial.tools import list_ports

    return sorted(port.device for port in list_ports.comports())
