#!/usr/bin/env python3
"""Builds a model for every board, runs it on every installed emulator that knows the board, and writes
docs/BOARDS.md (`make boards`).

    boards_report.py                       keyword spotting, all boards
    boards_report.py --model M.tflite      another model
    boards_report.py --boards a,b --out -  some boards, by name or file, to the screen

A board on which the model does not fit says so as `tinygen build` does, with exit code 3, and runs the small digits
model instead; a larger model finds the boards for which that holds. Exit code 4 if any bit differed or any run failed.
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
MODELS = ROOT.parent / "shared" / "models"
MODEL = MODELS / "keyword_spotting" / "kws_int8.tflite"
LARGER_MODEL = MODELS / "visual_wake_words" / "vww_96_int8.tflite"
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
    boards = [load_board(name) for name in names]
    rows = list(_rows(boards, arguments.model, arguments.vectors))
    small = [board for board in boards if not _fits(board, arguments.larger)]
    replaced = list(_rows(small, arguments.larger, arguments.vectors))
    text = _page(rows, arguments.model, replaced, arguments.larger)
    if arguments.out == "-":
        print(text)
    else:
        Path(arguments.out).write_text(text, encoding="utf-8")
        print(f"wrote {arguments.out}", file=sys.stderr)
    return 4 if any(row.failed for row in (*rows, *replaced)) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run a model on every board and write docs/BOARDS.md.")
    parser.add_argument("--model", type=Path, default=MODEL, help="an int8 .tflite")
    parser.add_argument("--larger", type=Path, default=LARGER_MODEL, help="one that is too large for some boards")
    parser.add_argument("--boards", default="", help="names or files, with commas between them [default: all]")
    parser.add_argument("--vectors", type=int, default=3, help="random inputs for each run")
    parser.add_argument("--out", default=str(ROOT / "docs" / "BOARDS.md"), help="a file, or - for the screen")
    arguments = parser.parse_args()
    for option in ("model", "larger"):
        if not getattr(arguments, option).is_file():
            parser.error(f"{getattr(arguments, option)}: no such file; give a model by --{option}")
    return arguments


def _rows(boards: Sequence[Board], model: Path, vectors: int) -> Iterator[Row]:
    for board in boards:
        for emulator in _emulators(board):
            row = _row(board, emulator, model, vectors)
            print(f"{board.name:<16}{emulator or '-':<8}{row.exactness}", file=sys.stderr, flush=True)
            yield row


def _fits(board: Board, model: Path) -> bool:
    """Whether the model's firmware can be linked for the board; true where there is no compiler to tell."""
    try:
        _build(board, "", model, 0)
    except BudgetError:
        return False
    except ToolError:
        return True
    return True


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
        remark = f"instead of {model.stem}, exit {error.exit_code}: {error.message}"
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

"""
_TOO_SMALL = """
## Too small

Boards on which `{model}` (sha256 {digest}…) does not fit. The build ends with exit code 3 and says by how much;
the digits example runs instead.

"""
_COLUMNS = """\
| board | core | flash | RAM | model | flash used | RAM used | instructions | per MAC | emulator | exactness |
|---|---|--:|--:|---|--:|--:|--:|--:|---|---|
"""


def _page(rows: Sequence[Row], model: Path, replaced: Sequence[Row], larger: Path) -> str:
    reports = [row.report for row in (*rows, *replaced) if row.report is not None]
    emulators = sorted({r.validation.emulator_version for r in reports if r.validation.vectors})
    versions = f"Emulators: {', '.join(emulators) or 'none'}."
    page = _HEAD.format(model=model.name, digest=_digest(model), versions=versions) + _table(rows)
    if replaced:
        page += _TOO_SMALL.format(model=larger.name, digest=_digest(larger)) + _table(replaced)
    return page


def _digest(model: Path) -> str:
    return hashlib.sha256(model.read_bytes()).hexdigest()[:12]


def _table(rows: Sequence[Row]) -> str:
    return _COLUMNS + "".join(f"| {' | '.join(_cells(row))} |\n" for row in rows)


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
