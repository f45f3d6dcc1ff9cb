#!/usr/bin/env python3
"""Builds the MLPerf Tiny models in every mode, runs them, and writes docs/BENCHMARKS.md (`make bench`).

    bench.py                   measure, write docs/BENCHMARKS.md and docs/benchmarks.json
    bench.py --check           measure, compare with docs/benchmarks.json, fail if anything got worse by 2 %
    bench.py --tflm DIR        measure TensorFlow Lite Micro in the same run, too

Counts are exact and repeat, so a difference is a change of the code, never noise.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tinygen.forms import Mode
from tinygen.pipeline import BuildOptions, ModelOptions, RunOptions, build_model
from tinygen.report import BuildReport

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT.parent / "shared" / "models"
FILES = {
    "KWS": "keyword_spotting/kws_int8.tflite",
    "VWW": "visual_wake_words/vww_96_int8.tflite",
    "IC": "image_classification/pretrainedResnet_quant.tflite",
    "AD": "anomaly_detection/ad01_int8.tflite",
}
BOARD = "stm32f4"
VECTORS = 8
TOLERANCE = 1.02
# Smallest of what can be counted: two multiply-accumulates for each SMLAD, and nothing else at all.
INSTRUCTIONS_PER_MAC_BOUND = 0.5


@dataclass(frozen=True)
class Row:
    """One build: bytes, and executed instructions of one inference."""

    flash: int
    weights: int
    ram: int
    arena: int
    arena_bound: int
    static: int
    stack: int
    instructions: int
    macs: int
    live_macs: int

    @classmethod
    def of(cls, report: BuildReport) -> Row:
        return cls(
            flash=report.flash.total,
            weights=report.flash.weights,
            ram=report.ram.total,
            arena=report.ram.arena,
            arena_bound=report.ram.arena_bound,
            static=report.ram.static,
            stack=report.ram.stack,
            instructions=report.validation.instructions_per_inference,
            macs=report.model.macs,
            live_macs=report.model.live_macs,
        )


INTRODUCTION = f"""\
# Benchmarks

The MLPerf Tiny int8 models on an STM32F405 (Cortex-M4F) in QEMU, written by `make bench`; counts are exact and repeat.
Flash and RAM are those of the whole application image: vector table, start-up, model, one UART line; RAM includes the
stack. Every build is bit-exact against TensorFlow Lite Micro's reference kernels.

*Live* MACs are those that remain when channels are removed that can't influence any output. The bound of an arena is
proven by the planner for the kernels chosen; that of flash are the smallest constants alone; that of instructions is
{INSTRUCTIONS_PER_MAC_BOUND} for each live MAC: two multiply-accumulates an instruction, and nothing else.
"""


Table = dict[str, dict[str, Row]]


def measure(tflm: Path | None) -> Table:
    """Model -> mode -> what it took; every build is verified bit for bit or this fails."""
    return {model: dict(_modes(MODELS / path, tflm)) for model, path in FILES.items()}


def _modes(model: Path, tflm: Path | None) -> Iterator[tuple[str, Row]]:
    for mode in Mode:
        yield mode.value, _build(model, mode)
    if tflm is not None:
        yield "TFLM", _build(model, Mode.SPEED, runtime="tflm", tflm=tflm)


def _build(model: Path, mode: Mode, *, runtime: str = "aot", tflm: Path | None = None) -> Row:
    print(f"{model.name}: {mode.value if runtime == 'aot' else 'TensorFlow Lite Micro'}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        options = BuildOptions(
            model=ModelOptions(model, mode=mode),
            board=BOARD,
            run=RunOptions(vectors=VECTORS),
            out=Path(folder) / "out",
            runtime=runtime,
            tflm=tflm,
        )
        return Row.of(build_model(options, lambda text: None))


def worse(now: Table, before: Mapping[str, Mapping[str, Mapping[str, int]]]) -> list[str]:
    """Each figure that grew by more than the tolerance."""
    found = []
    for model, modes in before.items():
        for mode, row in modes.items():
            for figure in ("flash", "ram", "instructions"):
                was, is_now = row[figure], getattr(now[model][mode], figure) if mode in now[model] else row[figure]
                if is_now > was * TOLERANCE:
                    found.append(f"{model}, {mode}: {figure} {was:,} -> {is_now:,}")
    return found


def render(table: Table, tflm: Mapping[str, Mapping[str, int]]) -> str:
    """The page; every number comes from the measurement or from docs/tflm_before.json."""
    lines = [INTRODUCTION]
    for model, modes in table.items():
        lines += [f"## {model}", "", *_model_table(modes, tflm[model]), ""]
    return "\n".join(lines)


def _model_table(modes: Mapping[str, Row], before: Mapping[str, int]) -> Iterator[str]:
    yield "| mode | flash | RAM | arena | arena bound | static | stack | instructions | per MAC | per live MAC |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    for mode, row in modes.items():
        yield (
            f"| {mode} | {row.flash:,} | {row.ram:,} | {row.arena:,} | {row.arena_bound:,} | {row.static:,} "
            f"| {row.stack:,} | {row.instructions:,} | {row.instructions / row.macs:.2f} "
            f"| {row.instructions / row.live_macs:.2f} |"
        )
    first = next(iter(modes.values()))
    weights = min(row.weights for row in modes.values())
    bound = round(INSTRUCTIONS_PER_MAC_BOUND * first.live_macs)
    yield (
        f"| *bound* | {weights:,} | | | | | | {bound:,} | {bound / first.macs:.2f} | {INSTRUCTIONS_PER_MAC_BOUND:.2f} |"
    )
    yield (
        f"| TFLM + CMSIS-NN, measured before | {before['flash']:,} | {before['ram']:,} | {before['arena']:,} | | | "
        f"| {before['instructions']:,} | {before['instructions'] / first.macs:.2f} | |"
    )


def summary(table: Table, tflm: Mapping[str, Mapping[str, int]]) -> str:
    """The README's table: the default mode and the best of all modes beside TensorFlow Lite Micro."""
    lines = [
        "| model | instructions: TFLM + CMSIS-NN | balanced | speed "
        "| flash: TFLM + CMSIS-NN | balanced | size | RAM: TFLM + CMSIS-NN | balanced | ram |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for model, modes in table.items():
        before, balanced = tflm[model], modes["balanced"]
        cells = (
            *(before["instructions"], balanced.instructions, modes["speed"].instructions),
            *(before["flash"], balanced.flash, modes["size"].flash),
            *(before["ram"], balanced.ram, modes["ram"].ram),
        )
        lines.append(f"| {model} | " + " | ".join(f"{cell:,}" for cell in cells) + " |")
    return "\n".join(lines)


def write_summary(text: str) -> None:
    """Put the summary between the README's markers."""
    readme = ROOT / "README.md"
    start, end = "<!-- benchmarks -->", "<!-- /benchmarks -->"
    head, rest = readme.read_text().split(start)
    readme.write_text(f"{head}{start}\n{text}\n{end}{rest.split(end)[1]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the committed figures, write nothing")
    parser.add_argument("--tflm", type=Path, help="a built TensorFlow Lite Micro, to be measured in the same run")
    arguments = parser.parse_args()
    if not MODELS.is_dir():
        print(f"the MLPerf Tiny models are not at {MODELS}", file=sys.stderr)
        return 5
    table = measure(arguments.tflm)
    committed = ROOT / "docs" / "benchmarks.json"
    if arguments.check:
        problems = worse(table, json.loads(committed.read_text()))
        print("\n".join(problems) or "nothing got worse")
        return 3 if problems else 0
    plain = {model: {mode: asdict(row) for mode, row in modes.items()} for model, modes in table.items()}
    committed.write_text(json.dumps(plain, indent=1) + "\n")
    tflm = json.loads((ROOT / "docs" / "tflm_before.json").read_text())["models"]
    (ROOT / "docs" / "BENCHMARKS.md").write_text(render(table, tflm))
    write_summary(summary(table, tflm))
    return 0


if __name__ == "__main__":
    sys.exit(main())
