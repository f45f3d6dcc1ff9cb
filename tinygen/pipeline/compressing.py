"""Recipes in the pipeline, and by themselves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tinygen.compress import Compressed, compress_model, find_recipe
from tinygen.load import SourceKind, detect
from tinygen.load.dataset import Dataset, load_dataset
from tinygen.output import check_replaceable, staged_output
from tinygen.pipeline.options import ModelOptions
from tinygen.pipeline.stages import Progress
from tinygen.report.sensitivity import sensitivity_table
from tinygen.report.sensitivity_page import render_sensitivity

__all__ = ["compress", "compress_to_folder", "compression_note", "judged_samples", "write_compressed"]


def compress_to_folder(options: ModelOptions, out: Path, *, force: bool, progress: Progress) -> Compressed:
    """Write the compressed model, its .tflite and its log into ``out``.

    What a recipe that falls below its floor had until then is written all the same; the caller raises
    ``missed`` afterwards.

    Raises:
        TinygenError: then ``out`` is as it was before.
    """
    check_replaceable(out, force=force)
    dataset = load_dataset(options.data) if options.data else None
    result = _compressed(options, detect(options.model), dataset, progress)
    with staged_output(out, force=force) as folder:
        write_compressed(folder, options.name or options.model.stem, result)
        (folder / "model.tflite").write_bytes(result.tflite)
    return result


def compress(options: ModelOptions, kind: SourceKind, dataset: Dataset | None, progress: Progress) -> Compressed:
    """Run the recipe that the options name.

    Raises:
        MismatchError: a step fell below its floor.
        TinygenError: whatever else is wrong.
    """
    result = _compressed(options, kind, dataset, progress)
    if result.missed is not None:
        raise result.missed
    return result


def _compressed(options: ModelOptions, kind: SourceKind, dataset: Dataset | None, progress: Progress) -> Compressed:
    return compress_model(
        options.model,
        kind,
        dataset,
        find_recipe(options.recipe or "ptq"),
        resume=not options.fresh,
        allow_custom_code=options.allow_custom_code,
        on_progress=progress,
    )


def judged_samples(
    compressed: Compressed, dataset: Dataset | None
) -> tuple[Dataset | None, tuple[NDArray[Any], ...] | None]:
    """The validation split, and the uncompressed model's outputs on it: accuracy on samples that the model was
    trained on would say nothing."""
    if dataset is None:
        return None, None
    chosen = compressed.validation
    y = None if dataset.y is None else dataset.y[chosen]
    return replace(dataset, inputs=(compressed.inputs[chosen],), y=y), (compressed.reference[chosen],)


def compression_note(compressed: Compressed) -> str:
    """A sentence or two for the report."""
    log = compressed.log
    vectors = ", from which the vectors are taken, too" if log.int8_metric is not None else ""
    return " ".join((f"Compressed by recipe {log.recipe['name']}: {log.verdict}{vectors}.", *log.notes))


def write_compressed(folder: Path, name: str, compressed: Compressed) -> None:
    """Write ``<name>.keras``, unless the model came as .tflite, ``compress.json``, and what its table looks like."""
    if compressed.keras is not None:
        (folder / f"{name}.keras").write_bytes(compressed.keras)
    (folder / "compress.json").write_text(compressed.log.to_json(), encoding="utf-8")
    table = sensitivity_table(compressed.log)
    if table is not None:
        (folder / "sensitivity.html").write_text(render_sensitivity(table), encoding="utf-8")
