"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from tinygen.errors import OptionError

__all__ = [
    "board_option",
    "data_option",
    "json_option",
    "model_argument",
    "model_options",
    "run_options",
    "toolchain_option",
    "vector_count",
]

F = TypeVar("F", bound=Callable[..., Any])
_PATH = click.Path(path_type=Path)

model_argument = click.argument("model", type=_PATH)
board_option = click.option("--board", "-b", required=True, help="Name of a board, or a path to a board.toml.")
data_option = click.option(
    "--data", "-d", type=_PATH, help="Samples for calibration and validation: .npz with x and optionally y, or .npy."
)
toolchain_option = click.option(
    "--toolchain", type=click.Choice(["gcc", "zig"]), help="Compiler. [default: gcc, or zig where that is missing]"
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines instead of text.")


def model_options(function: F) -> F:
    """How a model is read and named."""
    for option in (
        click.option("--name", help="C name of the model; by default made from the file's name."),
        click.option(
            "--allow-custom-code",
            is_flag=True,
            help="Run code that the model file carries (Lambda layers, custom objects). Only for files you trust.",
        ),
    ):
        function = option(function)
    return function


def run_options(function: F) -> F:
    """How firmware is run and how much of the data it sees."""
    for option in (
        click.option(
            "--time-limit", type=click.FloatRange(min=1), default=300.0, show_default=True, help="Seconds for a run."
        ),
        click.option("--vectors", default=None, help="How many vectors to run, or 'all'. [default: 20]"),
        click.option(
            "--emulator",
            type=click.Choice(["qemu", "renode", "unicorn", "serial"]),
            help="What runs the firmware; by default the first one that the board knows and that is installed. "
            "serial: a real board.",
        ),
        click.option("--port", help="Serial port of a real board, such as /dev/ttyACM0; with --emulator serial."),
        click.option("--baud", type=click.IntRange(min=300), help="Its speed. [default: the board file's]"),
    ):
        function = option(function)
    return function


def vector_count(text: str | None, default: int = 20) -> int | None:
    """The number of vectors asked for; ``None`` for all.

    Raises:
        OptionError: neither a positive number nor ``all``.
    """
    if text is None:
        return default
    if text == "all":
        return None
    if not text.isdigit() or int(text) < 1:
        raise OptionError(f"--vectors {text}: give a positive number, or 'all'")
    return int(text)
