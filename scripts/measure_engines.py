"""Measure what pruning and clustering cost, by engine: the table in docs/notes-compression.md.

    python scripts/measure_engines.py keyword=MODEL,DATA digits=MODEL,DATA > table.md

Each figure is the mean of three seeds, each of which splits the samples in its own way: accuracy of the int8 model on
the validation split, and the loss of the kept epoch on the selection split, which tells small differences better.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import mean
from typing import Any

from tinygen.compress import CompressionLog, compress_model
from tinygen.compress.recipe import parse_recipe
from tinygen.load import detect
from tinygen.load.dataset import load_dataset

SEEDS = (1, 2, 3)
PRUNE = {"kind": "prune", "sparsity": 0.5, "end": 0.5, "epochs": 12, "learning_rate": 1e-3, "alpha": 0.9}
PATTERN = {"kind": "prune", "pattern": "2:4", "epochs": 10, "learning_rate": 1e-3, "alpha": 0.9}
CLUSTER = {"kind": "cluster", "learning_rate": 3e-4, "alpha": 0.9}
RECIPES: dict[str, list[dict[str, Any]]] = {
    "prune 50 %": [PRUNE],
    "prune 2:4": [PATTERN],
    "16 values": [CLUSTER | {"values": 16, "epochs": 6, "mixup": 0.2}],
    "8 values": [CLUSTER | {"values": 8, "epochs": 10, "mixup": 0.2, "learning_rate": 5e-4}],
    "prune 50 %, 16 values": [PRUNE, CLUSTER | {"values": 16, "epochs": 5}],
}
ENGINES: dict[str, dict[str, Any]] = {
    "TFMOT": {"engine": "tfmot"},
    "tinygen": {"engine": "tinygen"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", metavar="name=model,data")
    models = {name: paths.split(",") for name, _, paths in (m.partition("=") for m in parser.parse_args().models)}
    print("| model | recipe | int8 before |", " | ".join(ENGINES), "|")
    print("|---|---|" + "---:|" * (1 + len(ENGINES)))
    for name, (model, data) in models.items():
        for recipe, steps in RECIPES.items():
            cells = [measured(Path(model), Path(data), recipe, steps, engine) for engine in ENGINES.values()]
            print(f"| {name} | {recipe} |", " | ".join([cells[0][0], *(cell for _, cell in cells)]), "|", flush=True)


def measured(
    model: Path, data: Path, name: str, steps: list[dict[str, Any]], engine: dict[str, Any]
) -> tuple[str, str]:
    """The accuracy before, and the engine's cell."""
    if steps[-1]["kind"] == "prune" and engine != ENGINES["TFMOT"]:
        return "", "–"
    logs = []
    for seed in SEEDS:
        print(f"{model.name}: {name}, {engine}, seed {seed}", file=sys.stderr)
        chosen = [step | (engine if step["kind"] == "cluster" else {}) | {"max_drop": 1.0} for step in steps]
        recipe = parse_recipe({"name": name, "seed": seed, "step": chosen}, name)
        logs.append(compress_model(model, detect(model), load_dataset(data), recipe).log)
    after = mean(log.int8_metric for log in logs)
    return f"{mean(log.baseline['int8'] for log in logs):.3f}", f"{after:.3f} · {mean(map(_loss, logs)):.3f}"


def _loss(log: CompressionLog) -> float:
    """Of the last step that trained, at the epoch that was kept."""
    training = [step.details["training"][-1] for step in log.steps if "training" in step.details][-1]
    return float(training["losses"][training["kept_epoch"]])


if __name__ == "__main__":
    main()
