"""Runs many generated models in one firmware image on an emulated Cortex-M, against the reference.

Small and quick on purpose: no board, no protocol. The image holds every model with its vectors and the expected
outputs, compares by itself, and reports differences by semihosting.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from support.host_runner import CFLAGS, Compiled, Vector
from tinygen.ir import ModelInterface
from tinygen.oracle import InProcessOracle
from tinygen.resources import FIRMWARE

__all__ = ["CORTEX_M4", "CORTEX_M55", "EmulatedCase", "Machine", "differences"]

TIME_LIMIT = 120


@dataclass(frozen=True)
class Machine:
    """A machine of QEMU with room for many models.

    Attributes:
        name: QEMU's.
        cpu: options of the compiler.
        flash, ram: linker regions, without their names.
        stack: initial stack pointer.
    """

    name: str
    cpu: tuple[str, ...]
    flash: str
    ram: str
    stack: int


CORTEX_M4 = Machine(
    "mps2-an386",
    ("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"),
    "ORIGIN = 0, LENGTH = 4M",
    "ORIGIN = 0x20000000, LENGTH = 4M",
    0x20400000,
)
CORTEX_M55 = Machine(
    "mps3-an547",
    ("-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard"),
    "ORIGIN = 0x10000000, LENGTH = 512K",
    "ORIGIN = 0x30000000, LENGTH = 480K",
    0x30080000,
)

_LINKER_SCRIPT = """\
MEMORY {{ FLASH (rx) : {flash}  RAM (rwx) : {ram} }}
SECTIONS {{
  .text : {{ KEEP(*(.vectors)) *(.text*) *(.rodata*) }} > FLASH
  .bss (NOLOAD) : {{ *(.data* .bss* COMMON) }} > RAM
}}
"""

_MAIN = """\
#include <stdint.h>
{includes}
void reset(void);
static void host(int operation, const void *argument) {{
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}}
static void check(const char *name, const void *output, const int8_t *expected, uint32_t bytes) {{
    const int8_t *actual = output;
    for (uint32_t i = 0; i < bytes; i++) {{
        if (actual[i] != expected[i]) {{
            host(4, name);
            return;
        }}
    }}
}}
static void copy(void *input, const int8_t *source, uint32_t bytes) {{
    int8_t *target = input;
    for (uint32_t i = 0; i < bytes; i++) {{
        target[i] = source[i];
    }}
}}
{data}
void run(void);
void run(void) {{
{calls}
    host(4, "done\\n");
    host(0x18, (const void *)0x20026);
}}
void reset(void) {{
    *(volatile uint32_t *)0xE000ED88u |= 0xF00000u; /* CPACR: the vector registers, before any use */
    __asm__ volatile("dsb; isb" ::: "memory");
    run();
}}
static void fault(void) {{
    host(4, "fault\\n");
    host(0x18, (const void *)0x20026);
}}
typedef void (*vector)(void);
__attribute__((section(".vectors"), used)) static const vector table[16] = {{
    (vector){stack:#x}, reset, fault, fault, fault, fault, fault}};
"""


@dataclass(frozen=True)
class EmulatedCase:
    """A model that was compiled under a name of its own, its flatbuffer, and vectors."""

    name: str
    compiled: Compiled
    tflite: bytes
    vectors: Sequence[Vector]


def differences(cases: Sequence[EmulatedCase], folder: Path, *flags: str, machine: Machine = CORTEX_M4) -> list[str]:
    """Names of the cases, with the vector's number, whose output differs from the reference.

    Args:
        flags: for the compiler, such as ``-Os``.
    """
    kernels: dict[str, bytes] = {}
    jobs: list[tuple[Path, list[str]]] = []
    for case in cases:
        files = case.compiled.package.files
        kernels |= {path: data for path, data in files.items() if path.startswith("kernels/")}
        for path, data in files.items():
            if path.startswith(("include/", "src/")) or path.endswith(".h"):
                _write(folder / case.name / path, data)
        include = [f"-I{folder / case.name / part}" for part in ("include", "src")]
        jobs += [(folder / case.name / f"src/{case.name}{part}.c", include) for part in ("", "_weights")]
    for path, data in kernels.items():
        _write(folder / path, data)
    jobs += [(folder / path, []) for path in kernels if path.endswith(".c")]
    _write(folder / "main.c", _main(cases, machine).encode())
    jobs.append((folder / "main.c", [f"-I{folder / case.name / 'include'}" for case in cases]))
    jobs.append((FIRMWARE / "runtime/memory.c", []))
    _write(folder / "image.ld", _LINKER_SCRIPT.format(flash=machine.flash, ram=machine.ram).encode())
    return _run(_link(jobs, folder, (*machine.cpu, *flags)), machine)


def _main(cases: Sequence[EmulatedCase], machine: Machine) -> str:
    includes, data, calls = [], [], []
    for case in cases:
        includes.append(f'#include "{case.name}.h"')
        interface = ModelInterface.of(case.compiled.graph, case.name)
        oracle = InProcessOracle(case.tflite)
        for number, vector in enumerate(case.vectors):
            label = f"{case.name}_{number}"
            for port, x in zip(interface.inputs, vector, strict=True):
                data.append(_array(f"{label}_in_{port.index}", x))
                calls.append(f"    copy({case.name}_input_{port.index}(), {label}_in_{port.index}, {port.bytes});")
            calls.append(f"    (void){case.name}_invoke();")
            for port, y in zip(interface.outputs, oracle.run(*vector), strict=True):
                data.append(_array(f"{label}_out_{port.index}", np.asarray(y)))
                output = f"{case.name}_output_{port.index}(), {label}_out_{port.index}, {port.bytes}"
                calls.append(f'    check("{label}\\n", {output});')
    return _MAIN.format(includes="\n".join(includes), data="\n".join(data), calls="\n".join(calls), stack=machine.stack)


def _array(name: str, values: np.ndarray) -> str:
    numbers = ", ".join(map(str, np.frombuffer(values.tobytes(), np.int8)))
    return f"static const int8_t {name}[] = {{{numbers}}};"


def _link(jobs: Sequence[tuple[Path, list[str]]], folder: Path, flags: Sequence[str]) -> Path:
    objects = [folder / f"{i}.o" for i in range(len(jobs))]
    warnings = [flag for flag in CFLAGS if not flag.startswith(("-O", "-g"))]

    def compile_one(job: tuple[tuple[Path, list[str]], Path]) -> None:
        (source, include), target = job
        gcc(["-O2", *flags, *warnings, *include, f"-I{folder / 'kernels'}", "-c", str(source), "-o", str(target)])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(compile_one, zip(jobs, objects, strict=True)))
    elf = folder / "image.elf"
    gcc(
        [
            *flags,
            "-nostdlib",
            "-Wl,--no-warn-rwx-segments",
            f"-T{folder / 'image.ld'}",
            *map(str, objects),
            "-o",
            str(elf),
        ]
    )
    return elf


def gcc(arguments: Sequence[str]) -> None:
    command = ["arm-none-eabi-gcc", "-ffreestanding", *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT, check=False)
    assert finished.returncode == 0, f"{' '.join(command)}\n{finished.stderr[-6000:]}"


def _run(elf: Path, machine: Machine) -> list[str]:
    command = ["qemu-system-arm", "-M", machine.name, "-display", "none", "-monitor", "none", "-serial", "none"]
    command += ["-semihosting-config", "enable=on,target=native", "-kernel", str(elf)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT, check=False)
    *names, end = (finished.stdout + finished.stderr).split() or ["silence"]
    assert end == "done", f"the image ended with {end} after {names}"
    return names


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
