"""Running programs so that a failure tells what happened."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tinygen.errors import ToolError

__all__ = ["Failure", "run_tool"]

LAST_LINES = 20
TOOL_SECONDS = 300


class Failure(ToolError):
    """A tool ended with an error; ``output`` is all that it printed."""

    def __init__(self, message: str, *, output: str, details: Sequence[str]) -> None:
        super().__init__(message, details=details)
        self.output = output


def run_tool(command: Sequence[str], *, cwd: Path, seconds: float = TOOL_SECONDS) -> str:
    """Run a program to its end and return what it printed, errors included.

    Raises:
        Failure: it could not be started, took longer than ``seconds``, or its status is not 0; the
            message carries the command, the status and the last lines.
    """
    try:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            env={**os.environ, "LC_ALL": "C"},  # messages are parsed
        )
    except OSError as error:
        raise _failure(command, f"can't be started: {error.strerror}", "") from error
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        raise _failure(command, f"did not end within {seconds:g} s", output) from None
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if process.returncode != 0:
        raise _failure(command, f"ended with status {process.returncode}", output)
    return output


def _failure(command: Sequence[str], what: str, output: str) -> Failure:
    lines = output.splitlines()[-LAST_LINES:]
    return Failure(f"{Path(command[0]).name} {what}", output=output, details=[f"$ {shlex.join(command)}", *lines])
