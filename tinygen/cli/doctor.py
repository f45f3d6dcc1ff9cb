"""``tinygen doctor``: what is there, what is missing, and the command that gets it here.

The tools are data, ``tools.toml`` beside this file. Nothing is imported that takes its time, TensorFlow least of all.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.table import Table

from tinygen.build.zig import find_zig
from tinygen.cli.console import console
from tinygen.emulate.serial_port import serial_ports
from tinygen.errors import ToolError

__all__ = ["Finding", "Tool", "diagnose", "examine", "read_tools", "system_name"]

_TABLE = Path(__file__).with_name("tools.toml")
_OS_RELEASE = Path("/etc/os-release")
_TIME_LIMIT = 20
# What a build that is verified takes, and what people call it.
_NEEDS = {"compile": "a compiler", "run": "an emulator", "reference": "the reference interpreter"}
_FAMILIES = ("debian", "fedora")


@dataclass(frozen=True, slots=True)
class Tool:
    """A program or package: what it is for and how people get it; ``tools.toml`` explains the fields."""

    name: str
    purpose: str
    need: str
    get: Mapping[str, str]
    program: str = ""
    package: str = ""
    version: str = "--version"
    pinned: bool = False

    def command(self, system: str) -> str:
        """How to get it on a system; Debian's command where nobody knows better."""
        return self.get.get(system) or self.get.get("any") or self.get["debian"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of looking for a tool; ``version`` says in words what is wrong with it, if something is."""

    name: str
    purpose: str
    need: str
    found: bool
    version: str
    get: str


def read_tools() -> tuple[Tool, ...]:
    """The table of tools."""
    return tuple(Tool(**tool) for tool in tomllib.loads(_TABLE.read_text(encoding="utf-8"))["tool"])


def system_name() -> str:
    """``debian``, ``fedora``, ``macos``, ``windows``, or ``linux`` for any other."""
    kernel = platform.system()
    if kernel != "Linux":
        return {"Darwin": "macos", "Windows": "windows"}.get(kernel, kernel.lower())
    try:
        lines = _OS_RELEASE.read_text(encoding="utf-8").splitlines()
    except OSError:
        return "linux"
    facts = dict(line.split("=", 1) for line in lines if "=" in line)
    words = f"{facts.get('ID', '')} {facts.get('ID_LIKE', '')}".replace('"', "").split()
    return next((family for family in _FAMILIES if family in words), "linux")


def diagnose(tools: Sequence[Tool], system: str) -> list[Finding]:
    """Look for each tool; programs are asked side by side, since some take seconds to answer."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda tool: _look_for(tool, system), tools))


def lacking(findings: Sequence[Finding]) -> list[str]:
    """The needs of a verified build that nothing fulfils."""
    fulfilled = {finding.need for finding in findings if finding.found}
    return [need for need in _NEEDS if need not in fulfilled]


def examine(*, as_json: bool) -> None:
    """Look for each tool and print what was found.

    Raises:
        ToolError: nothing could be built and verified with what is there.
    """
    system = system_name()
    findings = diagnose(read_tools(), system)
    ports = list(serial_ports())
    missing = lacking(findings)
    if as_json:
        data = {
            "system": system,
            "ready": not missing,
            "missing": missing,
            "tools": [asdict(f) for f in findings],
            "serial_ports": ports,
        }
        click.echo(json.dumps(data, indent=2))
        if missing:
            sys.exit(ToolError.exit_code)  # the JSON says why
        return
    console().print(_table(findings))
    console().print(f"[dim]serial ports:[/] {', '.join(ports) or 'none'}")
    if missing:
        raise ToolError(
            f"nothing can be built and verified here without {', '.join(_NEEDS[need] for need in missing)}",
            hint="; ".join(f.get for f in findings if f.need in missing and not f.found),
        )
    console().print(f"[green]{_way(findings)}[/]")


def _table(findings: Sequence[Finding]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    for finding in findings:
        mark = "[green]✔[/]" if finding.found else "[yellow]✘[/]"
        answer = (
            finding.version if finding.found else f"{finding.version + '; ' if finding.version else ''}{finding.get}"
        )
        table.add_row(mark, finding.name, f"[dim]{finding.purpose}[/]", answer)
    return table


def _way(findings: Sequence[Finding]) -> str:
    names = [next(f.name for f in findings if f.need == need and f.found) for need in ("compile", "run")]
    return f"ready: {names[0]} compiles, {names[1]} runs"


def _look_for(tool: Tool, system: str) -> Finding:
    found, version = _package(tool) if tool.package else _program(shutil.which(tool.program), tool)
    if not found and tool.package == "ziglang":  # a zig of the system's does as well
        zig = find_zig()
        found, version = _program(None if zig is None else str(zig), tool)
    return Finding(tool.name, tool.purpose, tool.need, found, version, tool.command(system))


def _package(tool: Tool) -> tuple[bool, str]:
    try:
        version = importlib.metadata.version(tool.package)
    except importlib.metadata.PackageNotFoundError:
        return False, ""
    wanted = _pinned_version(tool.package) if tool.pinned else version
    if wanted not in ("", version):
        return False, f"{version} is there, {wanted} is needed"
    return True, version


def _pinned_version(package: str) -> str:
    """The exact version that tinygen's own metadata asks for; empty if it names none."""
    try:
        requirements = importlib.metadata.requires("tinygen") or []
    except importlib.metadata.PackageNotFoundError:
        return ""
    pins = (requirement.split(";")[0].partition("==") for requirement in requirements)
    return next((version.strip() for name, _, version in pins if name.strip() == package), "")


def _program(path: str | None, tool: Tool) -> tuple[bool, str]:
    if path is None:
        return False, ""
    command = [path, tool.version]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIME_LIMIT, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return False, "is there, but does not answer"
    lines = (done.stdout or done.stderr).strip().splitlines()
    return True, lines[0].strip() if lines else "does not tell its version"
