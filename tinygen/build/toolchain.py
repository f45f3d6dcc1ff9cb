"""The cross compiler: finding it, and running it so that a failure tells what happened."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tinygen.board import Cpu
from tinygen.errors import ToolError

__all__ = ["CXX_FLAGS", "CompileJob", "Failure", "Toolchain", "compile_all", "find_toolchain", "run_tool"]

LAST_LINES = 20
TOOL_SECONDS = 300

HINTS = {
    "arm-none-eabi": "Install it: `apt install gcc-arm-none-eabi libnewlib-arm-none-eabi` on Debian and Ubuntu, "
    "`dnf install arm-none-eabi-gcc-cs arm-none-eabi-newlib` on Fedora, "
    "`brew install --cask gcc-arm-embedded` on macOS.",
    "riscv64-unknown-elf": "Install it: `apt install gcc-riscv64-unknown-elf` on Debian and Ubuntu.",
}

# Diagnostics, code generation and reproducibility; the board's architecture options come first.
# No idiom of C's hosted library may be assumed, and each function gets a section that can be dropped.
COMMON_FLAGS = (
    "-std=c11",
    "-ffreestanding",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-common",
    "-Wall",
    "-Wextra",
    "-g",
)
# C++ is TensorFlow Lite Micro's alone. Its headers need the hosted library's.
CXX_FLAGS = (
    "-std=c++17",
    "-fno-exceptions",
    "-fno-rtti",
    *COMMON_FLAGS[2:],
)


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A compiler that was found.

    Attributes:
        compiler: path of gcc.
        objcopy: path of objcopy.
        version: such as ``arm-none-eabi-gcc 12.2.1``.
        cpu_flags: the board's architecture options.
    """

    compiler: Path
    objcopy: Path
    version: str
    cpu_flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CompileJob:
    """One source file to compile.

    Attributes:
        source: the file.
        object: where its object goes, relative to the working directory.
        flags: optimization, include paths and whatever else this file needs.
    """

    source: Path
    object: Path
    flags: tuple[str, ...]


class Failure(ToolError):
    """A tool ended with an error; ``output`` is all that it printed."""

    def __init__(self, message: str, *, output: str, details: Sequence[str]) -> None:
        super().__init__(message, details=details)
        self.output = output


def find_toolchain(cpu: Cpu) -> Toolchain:
    """The compiler for a core, from the PATH.

    Raises:
        ToolError: it is not there, or does not start.
    """
    compiler, objcopy = (_find(f"{cpu.toolchain}-{tool}", cpu.toolchain) for tool in ("gcc", "objcopy"))
    version = run_tool([str(compiler), "-dumpfullversion"], cwd=Path.cwd()).strip()
    return Toolchain(compiler, objcopy, f"{cpu.toolchain}-gcc {version}", cpu.flags)


def _find(program: str, toolchain: str) -> Path:
    found = shutil.which(program)
    if found is None:
        raise ToolError(
            f"{program} is not on the PATH; the firmware can't be compiled without it",
            hint=HINTS.get(toolchain, f"Install a toolchain whose programs start with {toolchain}-."),
        )
    return Path(found)


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


def compile_all(toolchain: Toolchain, jobs: Sequence[CompileJob], work_dir: Path) -> None:
    """Compile files side by side, as many as there are processors.

    Raises:
        Failure: of the first job, in their order, that failed.
    """
    for folder in {(work_dir / job.object).parent for job in jobs}:
        folder.mkdir(parents=True, exist_ok=True)

    def compile_one(job: CompileJob) -> None:
        # The driver tells C++ by its suffix; g++ is no other compiler, it only links another library.
        common = CXX_FLAGS if job.source.suffix == ".cc" else COMMON_FLAGS
        flags = (*toolchain.cpu_flags, *common, *job.flags)
        command = [str(toolchain.compiler), *flags, "-c", str(job.source), "-o", str(job.object)]
        run_tool(command, cwd=work_dir)

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        futures = [pool.submit(compile_one, job) for job in jobs]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
