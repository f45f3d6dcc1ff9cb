"""What the user asks for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tinygen.build import Kind
from tinygen.forms import Mode

__all__ = ["BuildOptions", "ModelOptions", "RunOptions"]


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Which model, how it is read and what to optimize for.

    Attributes:
        data: samples for calibration and validation.
        name: C name of the model; ``None`` takes it from the file's name.
        allow_custom_code: run code that the model file carries.
        recipe: compress by this recipe first: a shipped one's name, or a file.
        fresh: do all of the recipe's steps again instead of resuming.
    """

    model: Path
    data: Path | None = None
    name: str | None = None
    allow_custom_code: bool = False
    mode: Mode = Mode.BALANCED
    recipe: str | None = None
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How firmware is run.

    Attributes:
        emulator: ``None`` takes the first that the board knows and that is installed.
        port, baud: of a real board; ``baud`` may be ``None`` for the board file's.
        vectors: how many; ``None`` for all samples.
        time_limit: seconds for each run.
    """

    emulator: str | None = None
    vectors: int | None = 20
    time_limit: float = 300.0
    port: str | None = None
    baud: int | None = None


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """A whole build.

    Attributes:
        board: a name, or a path to a board.toml.
        out: output folder; ``None`` means ``out/<name>-<board>``.
        runtime: what is linked and run: ``aot`` or ``tflm``.
        tflm: a built TensorFlow Lite Micro.
        flash, ram: limits tighter than the board's, such as ``64K``.
        validate: run the firmware and compare; without it, nothing is verified.
        latency_ms: limit for the estimated latency of an inference.
        toolchain: the compiler, ``gcc`` or ``zig``; ``None`` for GCC, or Zig where that is missing.
        cycles: estimate cycles, latency and energy; ``None`` does where it doesn't take long.
    """

    model: ModelOptions
    board: str
    run: RunOptions = field(default_factory=RunOptions)
    out: Path | None = None
    force: bool = False
    runtime: str = "aot"
    tflm: Path | None = None
    flash: str | None = None
    ram: str | None = None
    validate: bool = True
    toolchain: Kind | None = None
    latency_ms: float | None = None
    cycles: bool | None = None
