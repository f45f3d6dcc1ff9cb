"""``validate_build``: run the firmware of a finished build again."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tinygen.board import load_board
from tinygen.errors import OptionError
from tinygen.ir import ModelInterface
from tinygen.load.dataset import load_dataset
from tinygen.load.source import read_flatbuffer
from tinygen.load.tflite import read_graph
from tinygen.load.vectors import choose_vectors
from tinygen.optimize import optimize
from tinygen.pipeline.judging import judge
from tinygen.pipeline.options import RunOptions
from tinygen.pipeline.reporting import validation_report
from tinygen.pipeline.stages import Progress, Stages
from tinygen.pipeline.verifying import Subject, pick_emulator, raise_on_mismatch, verify
from tinygen.report import BuildReport, ValidationReport

__all__ = ["ValidateOptions", "read_report", "validate_build"]


@dataclass(frozen=True, slots=True)
class ValidateOptions:
    """Which build is run again, and on what.

    Attributes:
        folder: the output of ``tinygen build``.
        data: samples; without them the vectors are random.
        board: the board's name or file, if it is not the one that the build recorded.
    """

    folder: Path
    data: Path | None = None
    run: RunOptions = field(default_factory=RunOptions)
    board: str | None = None


def validate_build(options: ValidateOptions, progress: Progress) -> BuildReport:
    """Run a build's validation image and compare it with the reference again.

    Returns:
        The build's report with the new run's results.

    Raises:
        OptionError: the folder holds no finished build.
        MismatchError: an output bit differs.
        ToolError: the emulator is missing or failed.
    """
    recorded = read_report(options.folder)
    stages = Stages(progress)
    board = load_board(options.board or recorded.board)
    emulator = pick_emulator(board, options.run, progress)
    name = recorded.name
    flatbuffer = read_flatbuffer(options.folder / "model.tflite")
    loaded = read_graph(flatbuffer, source="model.tflite", name=name)
    graph, _ = optimize(loaded)
    interface = ModelInterface.of(graph, name)
    dataset = load_dataset(options.data) if options.data else None
    vectors = choose_vectors(interface, dataset, options.run.vectors)
    firmware = options.folder / "firmware"
    profile = firmware / f"{name}_profile.elf"
    subject = Subject(
        board=board,
        interface=interface,
        graph=graph,
        flatbuffer=flatbuffer,
        file="model.tflite",
        validate_elf=_existing(firmware / f"{name}_validate.elf"),
        profile_elf=profile if profile.is_file() else None,
    )
    verified = verify(subject, vectors, emulator, options.run.time_limit, stages)
    raise_on_mismatch(verified, subject)
    judged = judge(interface, vectors, verified, dataset, None)
    return replace(
        recorded,
        validation=_with_estimates(validation_report(vectors, verified), recorded.validation),
        accuracy=judged.accuracy,
        metric=judged.metric,
        metrics=judged.metrics,
        layers=tuple(
            replace(layer, instructions=verified.ticks_by_op.get(layer.index, 0)) for layer in recorded.layers
        ),
        stages=tuple(stages.done),
    )


def _with_estimates(run: ValidationReport, recorded: ValidationReport) -> ValidationReport:
    """A new run beside the estimates that the build made."""
    return replace(
        run,
        cycles_per_inference=recorded.cycles_per_inference,
        latency_ms=recorded.latency_ms,
        energy_mj=recorded.energy_mj,
        clock_hz=recorded.clock_hz,
        cycles_source=recorded.cycles_source,
    )


def read_report(folder: Path) -> BuildReport:
    """The report of a finished build.

    Raises:
        OptionError: the folder holds none.
    """
    path = _existing(folder / "report.json")
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
        return BuildReport.from_dict(data)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OptionError(f"{path}: not a report of tinygen: {error}", hint="Build the model again.") from error


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise OptionError(f"{path}: no such file", hint="Pass the output folder of a finished `tinygen build`.")
    return path
