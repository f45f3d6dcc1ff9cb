#!/usr/bin/env python3
"""Builds a model for every board, runs it on every installed emulator that knows the board, and writes
docs/BOARDS.md (`make boards`).

    boards_report.py                       keyword spotting, all boards
    boards_report.py --model M.tflite      another model
    boards_report.py --boards a,b --out -  some boards, to the screen

A board on which the model does not fit runs the small digits model instead. Exit code 4 if any bit differed or
any run failed.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinygen.board import Board, board_names, format_bytes, load_board
from tinygen.build import find_toolchain
from tinygen.errors import BudgetError, TinygenError, ToolError
from tinygen.pipeline import BuildOptions, ModelOptions, RunOptions, build_model
from tinygen.report import BuildReport

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT.parent / "shared" / "models" / "keyword_spotting" / "kws_int8.tflite"
SMALL_MODEL = ROOT / "tests" / "models" / "digits_int8.tflite"
SECONDS = 300.0


@dataclass(frozen=True)
class Row:
    """One board on one emulator; without a report, ``remark`` says why there is none."""

    board: Board
    emulator: str
    model: Path
    report: BuildReport | None
    remark: str = ""
    failed: bool = False

    @property
    def exactness(self) -> str:
        if self.report is None:
            return self.remark
        validation = self.report.validation
        if not validation.vectors:
            return "built, not run: no emulator knows it"
        return f"bit-exact, {validation.vectors} vectors" + (f"; {self.remark}" if self.remark else "")


def main() -> int:
    arguments = _arguments()
    names = arguments.boards.split(",") if arguments.boards else board_names()
    rows = list(_rows([load_board(name) for name in names], arguments.model, arguments.vectors))
    text = _page(rows, arguments.model)
    if arguments.out == "-":
        print(text)
    else:
        Path(arguments.out).write_text(text, encoding="utf-8")
        print(f"wrote {arguments.out}", file=sys.stderr)
    return 4 if any(row.failed for row in rows) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run a model on every board and write docs/BOARDS.md.")
    parser.add_argument("--model", type=Path, default=MODEL, help="an int8 .tflite")
    parser.add_argument("--boards", default="", help="names with commas between them [default: all]")
    parser.add_argument("--vectors", type=int, default=3, help="random inputs for each run")
    parser.add_argument("--out", default=str(ROOT / "docs" / "BOARDS.md"), help="a file, or - for the screen")
    arguments = parser.parse_args()
    if not arguments.model.is_file():
        parser.error(f"{arguments.model}: no such file; give a model by --model")
    return arguments


def _rows(boards: Sequence[Board], model: Path, vectors: int) -> Iterator[Row]:
    for board in boards:
        for emulator in _emulators(board):
            row = _row(board, emulator, model, vectors)
            print(f"{board.name:<16}{emulator or '-':<8}{row.exactness}", file=sys.stderr, flush=True)
            yield row


def _emulators(board: Board) -> list[str]:
    """The installed emulators that know a board; one empty name if there is none."""
    programs = {"qemu": board.qemu.program if board.qemu else "", "renode": "renode-test"}
    return [name for name in board.emulators if shutil.which(programs.get(name, ""))] or [""]


def _row(board: Board, emulator: str, model: Path, vectors: int) -> Row:
    if not emulator and board.emulators:
        return Row(board, "", model, None, f"not run: needs {' or '.join(board.emulators)}")
    try:
        find_toolchain(board.cpu)
    except ToolError as error:
        return Row(board, emulator, model, None, f"not built: {error.message}")
    try:
        return Row(board, emulator, model, _build(board, emulator, model, vectors))
    except BudgetError as error:
        remark = f"{model.stem} does not fit (exit {error.exit_code})"
    except TinygenError as error:
        return Row(board, emulator, model, None, f"exit {error.exit_code}: {error.message}", failed=True)
    try:
        return Row(board, emulator, SMALL_MODEL, _build(board, emulator, SMALL_MODEL, vectors), remark)
    except TinygenError as error:
        return Row(board, emulator, SMALL_MODEL, None, f"exit {error.exit_code}: {error.message}", failed=True)


def _build(board: Board, emulator: str, model: Path, vectors: int) -> BuildReport:
    with tempfile.TemporaryDirectory(prefix="tinygen-boards-") as folder:
        options = BuildOptions(
            model=ModelOptions(model),
            board=str(board.path),
            run=RunOptions(emulator or None, vectors, SECONDS),
            out=Path(folder, "out"),
            validate=bool(emulator),
        )
        return build_model(options, lambda text: None)


_HEAD = """\
# Boards

Written by `make boards`; do not edit. Every board that comes with tinygen, built for and run by each installed
emulator that knows it, with the model `{model}` (sha256 {digest}…), default options and random
inputs. Every output bit is compared with TensorFlow Lite Micro's reference kernels.

Flash and RAM are the application's: all that is loaded into flash; static data, arena and the stack's high-water
mark. Instructions are executed ones of one inference (where a board only has a timer, to within some tens), not cycles.

{versions}

| board | core | flash | RAM | model | flash used | RAM used | instructions | per MAC | emulator | exactness |
|---|---|--:|--:|---|--:|--:|--:|--:|---|---|
"""


def _page(rows: Sequence[Row], model: Path) -> str:
    digest = hashlib.sha256(model.read_bytes()).hexdigest()[:12]
    reports = [row.report for row in rows if row.report is not None]
    emulators = sorted({r.validation.emulator_version for r in reports if r.validation.vectors})
    versions = f"Emulators: {', '.join(emulators) or 'none'}."
    head = _HEAD.format(model=model.name, digest=digest, versions=versions)
    return head + "".join(f"| {' | '.join(_cells(row))} |\n" for row in rows)


def _cells(row: Row) -> list[str]:
    board, report = row.board, row.report
    known = [board.name, board.cpu.core, f"{board.flash_bytes // 1024}K", f"{board.ram_bytes // 1024}K", row.model.stem]
    if report is None:
        return [*known, "", "", "", "", row.emulator, row.exactness]
    count = report.validation.instructions_per_inference
    # Without a run, the stack is not known.
    ram = format_bytes(report.ram.total) if count else f"{format_bytes(report.ram.total)} + stack"
    per_mac = f"{count / report.model.macs:.2f}" if count else ""
    counts = [format_bytes(report.flash.total), ram, format_bytes(count) if count else "", per_mac]
    return [*known, *counts, row.emulator, row.exactness]


if __name__ == "__main__":
    sys.exit(main())
