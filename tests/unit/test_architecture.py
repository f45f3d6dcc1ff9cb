"""The rooms of the house: who may import whom, and who may print, exit or bring in TensorFlow."""

from __future__ import annotations

import ast
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tinygen

ROOT = Path(tinygen.__file__).parent
# A module imports only from its own room and from those left of it.
ORDER = (
    ("errors",),
    ("ir",),
    ("resources", "child"),
    ("board",),
    ("load", "oracle"),
    ("convert", "lower"),
    ("compress",),
    ("optimize",),  # passes ask an operator's room what it computes
    ("plan",),
    ("forms",),
    ("codegen",),
    ("build",),
    ("emulate",),
    ("report",),
    ("output",),
    ("pipeline",),
    ("cli",),
)
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}
MODULES = sorted(p for p in ROOT.rglob("*.py") if p.parent != ROOT or (p.stem in RANK and "_resources" not in p.parts))


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path, *, at_import_time: bool = False) -> Iterator[str]:
    """Modules that a file imports; optionally only those outside functions and TYPE_CHECKING blocks."""
    tree = ast.parse(path.read_text())
    nodes = _module_level(tree) if at_import_time else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def _module_level(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from _module_level(node)


def test_every_room_has_its_place() -> None:
    assert {room_of(path) for path in MODULES} <= set(RANK)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_left(path: Path) -> None:
    own = RANK[room_of(path)]
    for module in imports(path):
        parts = module.split(".")
        if parts[0] == "tinygen" and len(parts) > 1 and parts[1] in RANK:
            other = RANK[parts[1]]
            assert other < own or parts[1] == room_of(path), f"{module} stands right of {room_of(path)}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_tensorflow_only_inside_functions(path: Path) -> None:
    heavy = {"tensorflow", "tf_keras", "keras", "tensorflow_model_optimization"}
    assert not heavy & {m.split(".")[0] for m in imports(path, at_import_time=True)}
    if room_of(path) not in {"load", "convert", "compress"}:
        assert not heavy & {m.split(".")[0] for m in imports(path)}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_only_the_command_line_prints_or_exits(path: Path) -> None:
    if room_of(path) == "cli":
        return
    text = path.read_text()
    is_child = 'if __name__ == "__main__"' in text or path.name == "child.py"  # runs in a process of its own
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"print", "sys.exit", "exit", "quit"} or is_child, f"line {node.lineno}: {called}"


@pytest.mark.parametrize("arguments", [["--help"], ["boards"], ["build", "--help"]], ids=" ".join)
def test_answers_at_once(arguments: list[str]) -> None:
    """Under half a second of the processor's time, which a busy machine does not stretch; the best of three."""
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "tinygen", *arguments], check=True, capture_output=True, timeout=30)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < 0.5
