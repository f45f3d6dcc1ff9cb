"""Zig's clang and lld: a cross compiler for every core that ``pip`` installs, without root.

One program compiles and links for all of them. It knows cores by LLVM's names, so the options that board
files hold, GCC's, are translated. Of a C library it brings compiler-rt, which generated code and our
firmware never need more than.

Source: LLVM's ARMProcessors.td and RISCVFeatures.td; GCC's manual, "ARM Options".
"""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from tinygen.board import Cpu
from tinygen.build.tools import run_tool
from tinygen.errors import OptionError

__all__ = ["RUNTIME", "compile_options", "find_zig", "runtime_library", "zig_version"]

# Zig's driver is made for hosted programs: it keeps frame pointers and adds checks. At -O2 clang unrolls loops that
# GCC leaves alone; without that, the MLPerf models' kernels are as small as GCC's, and as fast within two percent.
_FREESTANDING = (
    "-fomit-frame-pointer",
    "-fno-sanitize=all",
    "-fno-stack-protector",
    "-fno-unwind-tables",
    "-fno-unroll-loops",
)
# -mfpu -> LLVM's feature. Zig's models of cores have no FPU of their own.
_FPUS = {"fpv4-sp-d16": "vfp4d16sp", "fpv5-sp-d16": "fp_armv8d16sp", "fpv5-d16": "fp_armv8d16"}
# What -mcpu alone says to GCC, where that is more than Zig's model has.
_FPU_OF_CORE = {
    "cortex-m4": "vfp4d16sp",
    "cortex-m7": "fp_armv8d16",
    "cortex-m33": "fp_armv8d16sp",
    "cortex-m35p": "fp_armv8d16sp",
    "cortex-m55": "fp_armv8d16",
    "cortex-m85": "fp_armv8d16",
}
RUNTIME = "compiler_rt.o"


def find_zig() -> Path | None:
    """The program: PyPI's ``ziglang`` in this environment, or ``zig`` on the PATH."""
    spec = importlib.util.find_spec("ziglang")
    if spec is not None and spec.origin is not None:
        program = shutil.which("zig", path=str(Path(spec.origin).parent))
        if program is not None:
            return Path(program)
    found = shutil.which("zig")
    return Path(found) if found else None


def zig_version(zig: Path) -> str:
    """Such as ``zig 0.17.0 (clang 22.1.8)``."""
    clang = re.search(r"clang version (\S+)", run_tool([str(zig), "cc", "--version"], cwd=Path.cwd()))
    version = run_tool([str(zig), "version"], cwd=Path.cwd()).strip()
    return f"zig {version}" + (f" (clang {clang[1]})" if clang else "")


def compile_options(cpu: Cpu) -> tuple[str, ...]:
    """What each call for this core starts with.

    Raises:
        OptionError: the board's options name a core that can't be translated.
    """
    return ("cc", *_target(cpu), *_FREESTANDING)


def runtime_library(zig: Path, cpu: Cpu, work_dir: Path) -> str:
    """Make compiler-rt for this core in the working directory: division, shifts, floats without an FPU.

    Zig keeps what it compiled in its cache; the first time takes some seconds.

    Returns:
        The object's name. Only what is used of it gets into an image.
    """
    if (work_dir / RUNTIME).is_file():
        return RUNTIME
    (work_dir / "empty.c").write_text("", encoding="utf-8")
    options = ("-fcompiler-rt", "-ffunction-sections", "-O", "ReleaseSmall", "--name", "compiler_rt")
    run_tool(
        [str(zig), "build-obj", *_target(cpu), *options, f"-femit-bin={RUNTIME}", "-cflags", "--", "empty.c"],
        cwd=work_dir,
    )
    return RUNTIME


def _target(cpu: Cpu) -> tuple[str, ...]:
    given = dict(flag.split("=", 1) for flag in cpu.flags if "=" in flag)
    if "-mcpu" in given:
        hard = given.get("-mfloat-abi") == "hard"
        abi = "eabihf" if hard else "eabi"
        features = "".join(f"+{name}" for name in _arm_features(cpu, given))
        core = given["-mcpu"].split("+")[0].replace("-", "_")
        return ("-target", f"thumb-freestanding-{abi}", f"-mcpu={core}{features}")
    match = re.fullmatch(r"rv32([ieg])([a-z]*)((?:_[a-z0-9]+)*)", given.get("-march", ""))
    if match is None:
        raise OptionError(
            f"zig can't compile with {' '.join(cpu.flags)}: neither -mcpu=<Arm core> nor -march=rv32… is there",
            hint="Use --toolchain gcc.",
        )
    base = "imafd" if match[1] == "g" else match[1]
    letters = [letter for letter in base + match[2] if letter != "i"]
    features = "".join(f"+{name}" for name in (*letters, *match[3].split("_")[1:]))
    model = f"-mcmodel={given['-mcmodel']}" if "-mcmodel" in given else ""
    return ("-target", "riscv32-freestanding-none", f"-mcpu=generic_rv32{features}", *filter(None, [model]))


def _arm_features(cpu: Cpu, given: dict[str, str]) -> Iterator[str]:
    core = given["-mcpu"].split("+")[0]
    if given.get("-mfloat-abi", "soft") != "soft":
        fpu = _FPUS.get(given.get("-mfpu", ""), _FPU_OF_CORE.get(core))
        if fpu is not None:
            yield fpu
    if "dsp" in cpu.features:
        yield "dsp"
    if "mve" in cpu.features:
        yield "mve_fp" if cpu.has_fpu else "mve"
