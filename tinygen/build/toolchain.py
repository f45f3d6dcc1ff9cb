"""The cross compiler: finding it, and what it is told.

GCC comes first, since sizes and instruction counts are tuned with it; Zig, which ``pip`` installs without
root, serves where it is missing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tinygen.board import Cpu
from tinygen.build import zig
from tinygen.build.tools import Failure, run_tool
from tinygen.errors import ToolError

__all__ = [
    "CXX_FLAGS",
    "KINDS",
    "CompileJob",
    "Failure",
    "Kind",
    "Toolchain",
    "compile_all",
    "find_toolchain",
    "run_tool",
]

Kind = Literal["gcc", "zig"]
KINDS: tuple[Kind, ...] = ("gcc", "zig")
_PIP = "Or, without root: `pip install 'tinygen[rootless]'`, which brings Zig's clang."

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
        kind: ``gcc`` or ``zig``.
        compiler: path of the program.
        version: such as ``arm-none-eabi-gcc 12.2.1``.
        cpu: the core that it compiles for.
        cpu_flags: what each call of the compiler starts with: the board's architecture options, as this
            compiler knows them.
    """

    kind: Kind
    compiler: Path
    version: str
    cpu: Cpu
    cpu_flags: tuple[str, ...]

    def link_command(
        self, objects: Sequence[str], libraries: Sequence[str], *, script: str, map_file: str, elf: str, work_dir: Path
    ) -> list[str]:
        """The command that links objects by a linker script, and writes a map.

        Args:
            libraries: what open references of the objects are taken from; Zig brings its own instead.
            work_dir: the folder that the command is to be run in.

        Raises:
            Failure: Zig can't compile its runtime library.
        """
        options = ("--gc-sections", "--build-id=none", f"-Map={map_file}")
        if self.kind == "zig":
            # The linker itself: Zig's compiler driver has no option for a map.
            command = [str(self.compiler), "ld.lld", "-static", "-T", script, *options, "-z", "max-page-size=16"]
            return [*command, *objects, zig.runtime_library(self.compiler, self.cpu, work_dir), "-o", elf]
        return [
            *(str(self.compiler), *self.cpu_flags, "-nostartfiles", "-nostdlib", "-static", "-T", script),
            *(f"-Wl,{option}" for option in (*options, "-z,max-page-size=16")),
            # Behind our own objects: only what they leave open is taken from the C library.
            *(*objects, "-Wl,--start-group", *libraries, "-Wl,--end-group", "-o", elf),
        ]


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


def find_toolchain(cpu: Cpu, kind: Kind | None = None) -> Toolchain:
    """The compiler for a core: GCC from the PATH, else Zig; or the one asked for.

    Raises:
        ToolError: it is not there, or does not start.
        OptionError: Zig does not know the core.
    """
    gcc, zig_program = shutil.which(f"{cpu.toolchain}-gcc"), zig.find_zig()
    if kind == "zig" or (kind is None and gcc is None and zig_program is not None):
        if zig_program is None:
            raise ToolError("zig is not installed", hint="Install it: `pip install ziglang`.")
        return Toolchain("zig", zig_program, zig.zig_version(zig_program), cpu, zig.compile_options(cpu))
    if gcc is None:
        how = HINTS.get(cpu.toolchain, f"Install a toolchain whose programs start with {cpu.toolchain}-.")
        raise ToolError(
            f"{cpu.toolchain}-gcc is not on the PATH; the firmware can't be compiled without it", hint=f"{how} {_PIP}"
        )
    version = run_tool([gcc, "-dumpfullversion"], cwd=Path.cwd()).strip()
    return Toolchain("gcc", Path(gcc), f"{cpu.toolchain}-gcc {version}", cpu, cpu.flags)


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
