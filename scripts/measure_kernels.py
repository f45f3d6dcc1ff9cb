#!/usr/bin/env python3
"""Measures the code of every kernel for the choice of forms: writes firmware/kernels/code_sizes.json.

Each kernel is compiled alone for a Cortex-M4F, those of mve/ for a Cortex-M55, at the levels that tinygen
uses; what counts is what lands in flash: text and constant data. Run it after kernels have changed: `make sizes`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

KERNELS = Path(__file__).resolve().parents[1] / "firmware" / "kernels"
LEVELS = ("-Os", "-O2", "-O3")
COMPILER = "arm-none-eabi-gcc"
CORTEX_M4F = ["-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"]
CORTEX_M55 = ["-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard"]
FLAGS = ["-std=c11", "-ffreestanding", "-ffunction-sections", f"-I{KERNELS}"]


def code_bytes(source: Path, level: str) -> int:
    """Bytes of flash that the code of one source takes."""
    cpu = CORTEX_M55 if source.parent.name == "mve" else CORTEX_M4F
    with tempfile.NamedTemporaryFile(suffix=".o") as output:
        command = [COMPILER, *cpu, *FLAGS, level, "-c", source, "-o", output.name]
        subprocess.run(command, check=True, timeout=60)
        sizes = subprocess.run(["arm-none-eabi-size", output.name], check=True, capture_output=True, text=True)
    return int(sizes.stdout.splitlines()[1].split()[0])


def measure() -> dict[str, dict[str, int]]:
    """Source, relative to ``firmware/kernels`` -> level -> bytes."""
    sources = sorted(KERNELS.rglob("*.c"))
    jobs = [(source, level) for source in sources for level in LEVELS]
    with ThreadPoolExecutor() as pool:
        sizes = dict(zip(jobs, pool.map(lambda job: code_bytes(*job), jobs), strict=True))
    return {s.relative_to(KERNELS).as_posix(): {level: sizes[s, level] for level in LEVELS} for s in sources}


def main() -> int:
    (KERNELS / "code_sizes.json").write_text(json.dumps(measure(), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
