#!/usr/bin/env python3
"""Builds the MLPerf Tiny models with each runtime for boards with a TensorFlow Lite Micro of their own, and writes the
table of docs/TFLM.md.

    tflm_report.py stm32f4=DIR stm32f4=DIR mps2-an500=DIR …

DIR is what `tinygen build --tflm` takes. Every build is verified bit for bit, or this fails.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import FILES, MODELS

from tinygen.board import load_board
from tinygen.build import find_tflm
from tinygen.pipeline import BuildOptions, ModelOptions, RunOptions, build_model

PAGE = Path(__file__).resolve().parents[1] / "docs" / "TFLM.md"
BEGIN, END = "<!-- measured -->\n", "<!-- /measured -->\n"
HEAD = """\
| model | board | core | runtime | flash | RAM | arena | smallest that works | instructions | per MAC |
|---|---|---|---|--:|--:|--:|--:|--:|--:|
"""
VECTORS = 8


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure both runtimes and write the table of docs/TFLM.md.")
    parser.add_argument("libraries", nargs="+", metavar="BOARD=DIR", help="a board, and what it links")
    parser.add_argument("--models", default=",".join(FILES), help="of %(default)s [default: all]")
    arguments = parser.parse_args()
    pairs = [(board, Path(place)) for board, _, place in (text.partition("=") for text in arguments.libraries)]
    rows = "".join(row for model in arguments.models.split(",") for row in _rows(model, pairs))
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    PAGE.write_text(before + BEGIN + HEAD + rows + END + rest.partition(END)[2], encoding="utf-8")
    return 0


def _rows(model: str, pairs: Sequence[tuple[str, Path]]) -> Iterator[str]:
    for board in dict.fromkeys(board for board, _ in pairs):
        yield _row(model, board, None)
        yield from (_row(model, board, place) for of, place in pairs if of == board)


def _row(model: str, board: str, place: Path | None) -> str:
    """One build; without a library, of the ahead-of-time runtime."""
    cpu = load_board(board).cpu
    title = "ahead of time, balanced" if place is None else find_tflm(place, cpu).title
    print(f"{model} on {board}: {title}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        report = build_model(
            BuildOptions(
                model=ModelOptions(MODELS / FILES[model], name="model"),
                board=board,
                run=RunOptions("qemu", VECTORS),
                out=Path(folder) / "out",
                runtime="aot" if place is None else "tflm",
                tflm=place,
                cycles=False,
            ),
            lambda text: None,
        )
        smallest = "" if place is None else _smallest(Path(folder) / "out" / "model" / "tflm" / "model_tflm.h")
    count = report.validation.instructions_per_inference
    sizes = (f"{number:,}" for number in (report.flash.total, report.ram.total, report.ram.arena))
    cells = [model, board, cpu.core, title, *sizes, smallest, f"{count:,}", f"{count / report.model.macs:.2f}"]
    return f"| {' | '.join(cells)} |\n"


def _smallest(header: Path) -> str:
    """As the generated code says it."""
    found = re.search(r"(\d+) bytes, and a margin of", header.read_text(encoding="utf-8"))
    assert found, f"{header}: no measured arena"
    return f"{int(found[1]):,}"


if __name__ == "__main__":
    sys.exit(main())
