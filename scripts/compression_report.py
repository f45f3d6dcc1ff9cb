#!/usr/bin/env python3
"""Compresses the MLPerf Tiny models by recipes, builds and runs each, and writes docs/COMPRESSION.md
(`make compression`).

    compression_report.py                    all of it: about half an hour on two cores
    compression_report.py --models KWS,AD    some models; the others keep their committed rows

Keyword spotting has labelled samples of its own. The other models get what can be made without any: crops of the
photographs that come with scikit-image, and spectra that the anomaly detector knows how to reconstruct.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.compress import compress_model, find_recipe, shipped_recipes
from tinygen.errors import TinygenError
from tinygen.load import detect
from tinygen.load.dataset import load_dataset
from tinygen.pipeline import BuildOptions, ModelOptions, RunOptions, build_model

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("TINYGEN_SHARED") or ROOT.parent / "shared")
BOARD = "stm32f4"
SEEDS = (1, 2, 3)
PHOTOGRAPHS = ("astronaut", "brick", "camera", "chelsea", "coffee", "coins", "grass", "moon", "rocket")

Array = NDArray[Any]


@dataclass(frozen=True)
class Case:
    """One build: a recipe, a limit for its image where there is one, and whether the recipe's floor holds."""

    recipe: str
    flash: str | None = None
    seeds: bool = False
    floor: bool = True


@dataclass(frozen=True)
class Subject:
    """A model, its samples (made by ``samples`` from the model's path), and how to judge it."""

    path: str
    samples: Callable[[Path], Mapping[str, Array]]
    about: str
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class Row:
    """What came of a case. ``drops``: the metric's loss against int8 calibration with each of ``SEEDS``; ``problem``
    says why there is no build."""

    recipe: str
    limit: str
    metric: str = ""
    before: float = 0.0
    int8: float = 0.0
    board: float | None = None
    flash: int = 0
    ram: int = 0
    instructions: int = 0
    vectors: int = 0
    drops: tuple[float, ...] = ()
    problem: str = ""


def keywords(model: Path) -> Mapping[str, Array]:
    """The labelled samples; the int8 ones are left out."""
    del model
    with np.load(SHARED / "data" / "kws01.npz") as data:
        return {"x": data["x"], "y": data["y"]}


def images(side: int, scale: float, count: int) -> Callable[[Path], Mapping[str, Array]]:
    """Square crops of photographs at random places and sizes, half of them mirrored, [count, side, side, 3]."""

    def make(model: Path) -> Mapping[str, Array]:
        del model
        from skimage import data, transform

        resize: Any = transform.resize
        rng = np.random.default_rng(1)
        photographs = []
        for name in PHOTOGRAPHS:
            image = np.asarray(getattr(data, name)()) / 255.0
            photographs.append(np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image)
        crops = []
        for i in range(count):
            image = photographs[i % len(photographs)]
            size = int(min(image.shape[:2]) * rng.uniform(0.25, 1.0))
            top, left = (int(rng.integers(0, extent - size + 1)) for extent in image.shape[:2])
            crop = resize(image[top : top + size, left : left + size], (side, side), anti_aliasing=True)
            crops.append(crop[:, ::-1] if rng.random() < 0.5 else crop)
        return {"x": (np.stack(crops) * scale).astype(np.float32)}

    return make


def spectra(model: Path) -> Mapping[str, Array]:
    """Log-mel spectra, -85 to 15 dB, [samples, 640], that the autoencoder knows: smooth noise which it has
    reconstructed twice, and 3 dB of new noise on top."""
    from tinygen.load.keras import load_tf_keras

    rng = np.random.default_rng(1)
    walk = np.cumsum(rng.normal(0, 4, (1500, 5, 128)), axis=2)
    walk += rng.uniform(-50, -10, (1500, 1, 1)) - walk.mean(axis=(1, 2), keepdims=True)
    x = np.clip(walk.reshape(1500, 640), -85, 15).astype(np.float32)
    autoencoder = load_tf_keras(model, detect(model))
    for _ in range(2):
        x = np.clip(np.asarray(autoencoder(x)), -85, 15)
    return {"x": np.clip(x + rng.normal(0, 3, x.shape), -85, 15).astype(np.float32)}


SUBJECTS = {
    "KWS": Subject(
        "keyword_spotting/kws_ref_model",
        keywords,
        "Accuracy; 700 labelled samples, split class by class: 415 to train on, 74 to choose the epoch, 211 to judge.",
        (
            Case("ptq"),
            Case("qat"),
            Case("cluster", "24K", seeds=True),
            Case("cluster-4bit", "24K", seeds=True),
            Case("cluster-qat", "24K"),
            Case("prune"),
            Case("prune-2-4"),
            Case("prune-qat"),
            Case("prune-cluster", "24K", seeds=True),
            Case("prune-cluster-qat", "24K"),
            Case("cluster-3bit", "19K", seeds=True),
            Case("cluster-2bit", "18K", seeds=True),
            Case("mixed"),
            Case("mixed-post"),
            Case("lottery"),
            Case("rigl"),
            Case("low-rank"),
            Case("structured-25-cluster"),
            Case("structured-50", seeds=True),
            Case("int16x8"),
        ),
    ),
    "AD": Subject(
        "anomaly_detection/ad01.h5",
        spectra,
        "Mean squared reconstruction error of made-up spectra (see `spectra` in the script).",
        (Case("ptq"), Case("cluster-dense", "150K", seeds=True), Case("cluster", "150K")),
    ),
    "IC": Subject(
        "image_classification/pretrainedResnet.h5",
        images(32, 255.0, 1000),
        "Top-1 agreement with the uncompressed model, on crops of photographs; 4-bit clusters without training.",
        (Case("ptq"), Case("cluster", floor=False), Case("mixed-post", floor=False)),
    ),
    "VWW": Subject(
        "visual_wake_words/vww_96.h5",
        images(96, 1.0, 400),
        "Top-1 agreement with the uncompressed model, on crops of photographs; 4-bit clusters without training.",
        (Case("ptq"), Case("cluster", floor=False)),
    ),
}

HEADLINES = {"KWS": ("ptq", "cluster-4bit", "cluster-2bit", "structured-50"), "AD": ("ptq", "cluster-dense")}
TITLES = {"accuracy": "accuracy", "agreement": "agreement", "mse": "squared error"}


def measure(name: str, subject: Subject, folder: Path) -> Iterator[Row]:
    """Build and run each case of a model."""
    model = SHARED / "models" / subject.path
    data = folder / f"{name}.npz"
    np.savez(data, allow_pickle=False, **subject.samples(model))
    for case in subject.cases:
        print(f"{name}: {case.recipe} {case.flash or ''}", file=sys.stderr, flush=True)
        row = _build(model, data, case, folder / name)
        yield replace(row, drops=tuple(_drops(model, data, case.recipe)) if case.seeds else ())


def _build(model: Path, data: Path, case: Case, folder: Path) -> Row:
    out = folder / case.recipe
    row = Row(case.recipe if case.floor else f"{case.recipe}, any loss", case.flash or "")
    options = BuildOptions(
        model=ModelOptions(model, data, recipe=case.recipe if case.floor else str(_without_floor(case.recipe, folder))),
        board=BOARD,
        run=RunOptions(vectors=None),
        out=out,
        flash=case.flash,
        cycles=False,
    )
    try:
        report = build_model(options, lambda text: None)
    except TinygenError as error:
        return replace(row, problem=str(error).splitlines()[0])
    log = json.loads((out / "compress.json").read_text())
    return replace(
        row,
        metric=log["metric"],
        before=log["baseline"]["int8"],
        int8=log["int8_metric"],
        board=report.metrics.get(log["metric"], {}).get("board"),
        flash=report.flash.total,
        ram=report.ram.total,
        instructions=report.validation.instructions_per_inference,
        vectors=report.validation.vectors,
    )


def _without_floor(recipe: str, folder: Path) -> Path:
    """A copy of a shipped recipe that takes any loss."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{recipe}.toml"
    lines = shipped_recipes()[recipe].read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(line for line in lines if not line.startswith("max_drop")), encoding="utf-8")
    return path


def _drops(model: Path, data: Path, recipe: str) -> Iterator[float]:
    """How much worse than int8 calibration, with each seed: it draws the split, too. Relative for errors."""
    for seed in SEEDS:
        other = replace(find_recipe(recipe), seed=seed, max_drop=None)
        log = compress_model(model, detect(model), load_dataset(data), other).log
        if log.int8_drop is not None:
            yield log.int8_drop


def render(table: Mapping[str, Sequence[Row]]) -> str:
    """The page; every number comes from the measurement."""
    lines = [INTRODUCTION]
    for name, rows in table.items():
        lines += [f"## {name}", "", SUBJECTS[name].about, "", *_table(rows), ""]
    return "\n".join(lines)


INTRODUCTION = f"""\
# Compression, measured

The MLPerf Tiny models from their Keras files, compressed by the recipes that come with tinygen (seed 1) and built for
{BOARD} in one command, `tinygen build MODEL --board {BOARD} --data SAMPLES --recipe RECIPE --flash LIMIT
--vectors all`; written by `make compression`. The metric is that of the outputs that left the board, on the samples of
the validation split, which no step trained on or chose by; every output bit equals the reference interpreter's. Flash
and RAM are those of the whole image.

*Seeds*: what is lost against int8 calibration when the recipe runs with seeds {", ".join(map(str, SEEDS))}, each with a
split of its own; of errors, relative.
"""


def _table(rows: Sequence[Row]) -> Iterator[str]:
    yield "| recipe | limit | flash | RAM | instructions | int8 calibration | board | lost | seeds |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|---|"
    for row in rows:
        if row.problem:
            yield f"| {row.recipe} | {row.limit} | {row.problem} | | | | | | |"
            continue
        share = row.metric != "mse"
        board = row.int8 if row.board is None else row.board
        lost = row.before - board if share else (board - row.before) / row.before
        yield (
            f"| {row.recipe} | {row.limit} | {row.flash:,} | {row.ram:,} | {row.instructions:,} "
            f"| {_shown(row.before, share)} | {_shown(board, share)} | {_lost(lost, share)} "
            f"| {', '.join(_lost(drop, share) for drop in row.drops)} |"
        )


def summary(table: Mapping[str, Sequence[Row]]) -> str:
    """The README's table: some recipes of some models."""
    lines = [
        "| model, recipe | flash | RAM | instructions | on the board | int8 without recipe |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, recipes in HEADLINES.items():
        for row in (
            row for recipe in recipes for row in table.get(name, ()) if row.recipe == recipe and not row.problem
        ):
            share = row.metric != "mse"
            board = row.int8 if row.board is None else row.board
            lines.append(
                f"| {name}, {row.recipe} | {row.flash:,} | {row.ram:,} | {row.instructions:,} "
                f"| {_shown(board, share)} {TITLES[row.metric]} | {_shown(row.before, share)} |"
            )
    return "\n".join(lines)


def write_summary(text: str) -> None:
    """Put the summary between the README's markers."""
    readme = ROOT / "README.md"
    start, end = "<!-- compression -->", "<!-- /compression -->"
    head, rest = readme.read_text().split(start)
    readme.write_text(f"{head}{start}\n{text}\n{end}{rest.split(end)[1]}")


def _shown(value: float, share: bool) -> str:
    return f"{value:.1%}" if share else f"{value:.4g}"


def _lost(value: float, share: bool) -> str:
    return f"{100 * value:.1f} points" if share else f"{value:+.1%}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(SUBJECTS), help="with commas between them")
    arguments = parser.parse_args()
    if not (SHARED / "models").is_dir():
        print(f"the MLPerf Tiny models are not at {SHARED / 'models'}", file=sys.stderr)
        return 5
    stored = ROOT / "docs" / "compression.json"
    before = json.loads(stored.read_text()) if stored.exists() else {}
    table = {name: [Row(**row) for row in before[name]] for name in SUBJECTS if name in before}
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.models.split(","):
            table[name] = list(measure(name, SUBJECTS[name], Path(folder)))
    table = {name: table[name] for name in SUBJECTS if name in table}
    plain = {name: [asdict(row) for row in rows] for name, rows in table.items()}
    stored.write_text(json.dumps(plain, indent=1) + "\n")
    (ROOT / "docs" / "COMPRESSION.md").write_text(render(table))
    write_summary(summary(table))
    return 0


if __name__ == "__main__":
    sys.exit(main())
