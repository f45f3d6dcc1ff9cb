"""``tinygen doctor``: what is there, what is missing, how to get it."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import asdict, dataclass

import click
from rich.table import Table

from tinygen.cli.console import console

__all__ = ["examine"]


@dataclass(frozen=True, slots=True)
class Tool:
    """An external program: what it is for and how people get it."""

    program: str
    purpose: str
    get: str


TOOLS = (
    Tool(
        "arm-none-eabi-gcc", "compiles firmware for Arm boards", "apt install gcc-arm-none-eabi libnewlib-arm-none-eabi"
    ),
    Tool("riscv64-unknown-elf-gcc", "compiles firmware for RISC-V boards", "apt install gcc-riscv64-unknown-elf"),
    Tool("qemu-system-arm", "emulates Arm boards", "apt install qemu-system-arm"),
    Tool("qemu-system-riscv32", "emulates RISC-V boards", "apt install qemu-system-misc"),
    Tool("renode-test", "emulates boards (--emulator renode)", "portable archive from renode.io; put it on the PATH"),
)
_TIME_LIMIT = 20


@dataclass(frozen=True, slots=True)
class Finding:
    program: str
    purpose: str
    found: bool
    version: str
    get: str


def examine(*, as_json: bool) -> None:
    """Look for each tool and print a table."""
    findings = [_look_for(tool) for tool in TOOLS]
    if as_json:
        click.echo(json.dumps([asdict(f) for f in findings], indent=2))
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for finding in findings:
        mark = "[green]✔[/]" if finding.found else "[yellow]✘[/]"
        table.add_row(mark, finding.program, finding.purpose, finding.version if finding.found else finding.get)
    console().print(table)


def _look_for(tool: Tool) -> Finding:
    path = shutil.which(tool.program)
    return Finding(tool.program, tool.purpose, path is not None, _version(path) if path else "", tool.get)


def _version(path: str) -> str:
    try:
        finished = subprocess.run(
            [path, "--version"],
            capture_output=True,
            text=True,
            timeout=_TIME_LIMIT,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "does not answer"
    lines = finished.stdout.strip().splitlines()
    return lines[0] if lines else "does not tell its version"
