"""Robot Framework keywords for firmware that tinygen built; ``tinygen.resource`` is its manual.

Python's own library is all that it needs, so that it works in Renode's test runner, too.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import shlex
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

_FACTORS = {"": 1, "K": 1024, "M": 1024 * 1024}


class TinygenLibrary:
    """One firmware at a time: built or pointed to, then run, then looked at.

    Args:
        command: how tinygen is called, if it is not on the PATH.
    """

    ROBOT_LIBRARY_SCOPE = "SUITE"

    def __init__(self, command: str = "") -> None:
        self._command = shlex.split(command or os.environ.get("TINYGEN", "tinygen"))
        self._scratch = tempfile.TemporaryDirectory(prefix="tinygen-robot-")
        self._folder: Path | None = None
        self._lines: list[str] | None = None

    def build_firmware(self, model: str, board: str = "stm32f4", *options: str) -> str:
        """Build MODEL for a board with ``tinygen build``, which validates it as well; use the result.

        Returns the folder. More options are handed on, such as ``--emulator`` ``renode``.
        """
        folder = Path(self._scratch.name, f"{Path(model).stem}-{board}")
        arguments = ["build", model, "--board", board, "--out", str(folder), "--force", *options]
        done = subprocess.run([*self._command, *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"tinygen ended with status {done.returncode}:\n{done.stderr.strip()}")
        return self.use_firmware(str(folder))

    def use_firmware(self, folder: str) -> str:
        """Take the output folder of a finished build for the keywords that follow."""
        if not Path(folder, "emulation", "run.json").is_file():
            raise AssertionError(f"{folder} is not the output of a tinygen build that was validated")
        self._folder, self._lines = Path(folder).resolve(), None
        return str(self._folder)

    def run_in_qemu(self, seconds: str) -> None:
        """Run the firmware until it ends or says nothing for so long. For ``Run On Emulator``."""
        command = self._run_facts().get("qemu")
        if not command:
            raise AssertionError("QEMU does not know this board; run the suite with renode-test")
        process = subprocess.Popen(
            command, cwd=self._emulation(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        try:
            self._lines = _read_lines(process, float(seconds))
        finally:
            process.kill()
            process.communicate()

    def renode_run(self) -> dict[str, str]:
        """What ``Run On Emulator`` tells Renode: script, UART, and a file for what that says."""
        renode = self._run_facts().get("renode")
        if not renode:
            raise AssertionError("Renode does not know this board; run the suite with robot, in QEMU")
        log = Path(self._scratch.name, f"uart-{time.monotonic_ns()}.log")
        return {"script": str(self._emulation() / renode["script"]), "uart": renode["uart"], "log": str(log)}

    def take_uart_log(self, log: str) -> None:
        """Read what the UART said in Renode. For ``Run On Emulator``."""
        data = Path(log).read_bytes() if Path(log).is_file() else b""
        self._lines = data.decode("ascii", errors="replace").splitlines()

    def outputs_should_match(self) -> None:
        """Every output bit of all vectors is the reference's."""
        expected = self._run_facts()["expected"]
        got = [line for line in self._tg_lines() if line.startswith("TG out ")]
        self._should_have_ended_with("done")
        for wanted, line in zip(expected, got, strict=False):
            if wanted != line:
                raise AssertionError(f"the reference says\n{wanted}\nthe board\n{line}")
        if len(got) != len(expected):
            raise AssertionError(f"{len(got)} outputs came, {len(expected)} were due")

    def should_fit_budget(self, flash: str = "", ram: str = "") -> None:
        """The application takes no more flash or RAM, stack included, than these sizes, such as 64K."""
        report = json.loads((self._used() / "report.json").read_text(encoding="utf-8"))
        for what, limit in (("flash", flash), ("ram", ram)):
            used = report[what]["total"]
            if limit and used > _bytes(limit):
                raise AssertionError(f"{used} bytes of {what}, {used - _bytes(limit)} more than {limit}")

    def inference_should_take_at_most(self, ticks: str) -> None:
        """No inference took more ticks; in emulators, most boards' ticks are instructions."""
        counts = [int(line.split()[3]) for line in self._tg_lines() if line.startswith("TG ticks ")]
        if not counts:
            raise AssertionError(f"no inference was counted\n{self._tail()}")
        if max(counts) > int(str(ticks).replace(",", "").replace("_", "")):
            raise AssertionError(f"an inference took {max(counts)} ticks, {ticks} were allowed")

    def fault_should_be_reported(self, kind: str) -> None:
        """The run ended with ``TG fault`` of this kind."""
        self._should_have_ended_with("fault")
        found = self._tg_lines()[-1].split()[2]
        if found != kind:
            raise AssertionError(f"the fault is of kind {found}, not {kind}\n{self._tail()}")

    def firmware_should_hang(self) -> None:
        """The board said hello, and then neither that it is done nor that it faulted."""
        self._should_have_ended_with("hello")

    def uart_should_be_silent(self) -> None:
        """The board did not even say hello."""
        if self._tg_lines():
            raise AssertionError(f"the UART is not silent\n{self._tail()}")

    def _used(self) -> Path:
        if self._folder is None:
            raise AssertionError("which firmware? Call Build Firmware or Use Firmware first")
        return self._folder

    def _emulation(self) -> Path:
        return self._used() / "emulation"

    def _run_facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads((self._emulation() / "run.json").read_text(encoding="utf-8"))
        return facts

    def _tg_lines(self) -> list[str]:
        if self._lines is None:
            raise AssertionError("nothing was run: call Run On Emulator first")
        return [line.strip() for line in self._lines if line.startswith("TG ")]

    def _should_have_ended_with(self, word: str) -> None:
        words = [line.split()[1] for line in self._tg_lines()]
        ends = [w for w in words if w in ("done", "fault")]
        found = ends[0] if ends else "hello" if "hello" in words else "silence"
        if found != word:
            texts = {"hello": "the firmware hangs", "silence": "the UART stayed silent"}
            raise AssertionError(f"{texts.get(found, f'the firmware ended with TG {found}')}\n{self._tail()}")

    def _tail(self) -> str:
        return "\n".join(f"uart: {line}" for line in (self._lines or [])[-8:]) or "uart: nothing"


def _read_lines(process: subprocess.Popen[bytes], seconds: float) -> list[str]:
    """Lines up to the end of the run, of the process, or of patience with its silence."""
    assert process.stdout is not None
    text = ""
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.select(max(0.0, deadline - time.monotonic())):
            chunk = os.read(process.stdout.fileno(), 1 << 16)
            text += chunk.decode("ascii", errors="replace")
            if not chunk or re.search(r"^TG (done|fault) .*\n", text[-4096:], re.MULTILINE):
                break
            if b"TG " in chunk:
                deadline = time.monotonic() + seconds
    return text.splitlines()


def _bytes(size: str) -> int:
    match = re.fullmatch(r"(\d+)\s*([KM]?)(?:i?B)?", str(size).strip(), re.IGNORECASE)
    if match is None:
        raise AssertionError(f"{size} is not a size such as 65536, 64K or 1M")
    return int(match[1]) * _FACTORS[match[2].upper()]
