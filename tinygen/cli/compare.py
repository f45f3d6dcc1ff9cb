"""``tinygen compare``: several builds of one model, side by side."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinygen.cli.options import (
    board_option,
    data_option,
    json_option,
    model_argument,
    model_options,
    toolchain_option,
    vector_count,
)
from tinygen.errors import OptionError

if TYPE_CHECKING:
    from tinygen.build import Kind

__all__ = ["compare"]

_PATH = click.Path(path_type=Path)
_MODES = ("speed", "size", "ram", "balanced")
# Quality is what rows are told apart by: twenty samples, a build's default, would say little.
_VECTORS = 200


@click.command()
@model_argument
@board_option
@data_option
@model_options
@click.option(
    "--recipes",
    metavar="NAME,…",
    help="Recipes, by name or file; `as-is` is none. [default: ptq,cluster; of a .tflite: as-is]",
)
@click.option("--modes", metavar="NAME,…", default="balanced,size", show_default=True, help=f"Of {', '.join(_MODES)}.")
@click.option("--runtimes", metavar="NAME,…", default="aot", show_default=True, help="Of aot, tflm.")
@click.option("--tflm", type=_PATH, help="A built TensorFlow Lite Micro, for tflm among --runtimes.")
@click.option(
    "--resume/--fresh", default=True, show_default=True, help="Take recipes' steps done before, or do all again."
)
@click.option("--flash", metavar="SIZE", help="Limit for flash of each row, such as 64K. [default: the board's]")
@click.option("--ram", metavar="SIZE", help="Limit for RAM of each row, such as 20K. [default: the board's]")
@click.option(
    "--latency", metavar="MS", type=click.FloatRange(min=0, min_open=True), help="Limit for each row's latency."
)
@click.option("--cycles/--no-cycles", default=None, help="Estimate latency and energy. [default: unless it takes long]")
@toolchain_option
@click.option(
    "--emulator",
    type=click.Choice(["qemu", "renode", "unicorn", "serial"]),
    help="What runs the firmware. serial: a real board.",
)
@click.option("--port", help="Serial port of a real board, such as /dev/ttyACM0; with --emulator serial.")
@click.option("--baud", type=click.IntRange(min=300), help="Its speed. [default: the board file's]")
@click.option("--vectors", help=f"How many samples to run, or 'all'. [default: {_VECTORS}]")
@click.option(
    "--time-limit", type=click.FloatRange(min=1), default=300.0, show_default=True, help="Seconds for each run."
)
@click.option("--out", "-o", type=_PATH, help="Output folder. [default: out/<name>-<board>-compare]")
@click.option("--force", is_flag=True, help="Replace the output folder even if tinygen did not make it.")
@json_option
def compare(
    model: Path,
    board: str,
    data: Path | None,
    name: str | None,
    allow_custom_code: bool,
    recipes: str | None,
    modes: str,
    runtimes: str,
    tflm: Path | None,
    resume: bool,
    flash: str | None,
    ram: str | None,
    latency: float | None,
    cycles: bool | None,
    toolchain: Kind | None,
    emulator: str | None,
    port: str | None,
    baud: int | None,
    vectors: str | None,
    time_limit: float,
    out: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Build MODEL by several recipes, modes and runtimes, and show what each is worth and costs.

    A combination that fails is a row with its reason. The exit code is 0 if any was built and verified.
    """
    from tinygen.cli.console import console, progress
    from tinygen.forms import Mode
    from tinygen.pipeline import BuildOptions, ModelOptions, RunOptions
    from tinygen.pipeline.comparing import CompareOptions, compare_builds
    from tinygen.report.comparison_table import show_comparison

    build = BuildOptions(
        model=ModelOptions(model, data, name, allow_custom_code, fresh=not resume),
        board=board,
        run=RunOptions(emulator, vector_count(vectors, _VECTORS), time_limit, port, baud),
        out=out,
        force=force,
        tflm=tflm,
        flash=flash,
        ram=ram,
        toolchain=toolchain,
        latency_ms=latency,
        cycles=cycles,
    )
    chosen = tuple(Mode(mode) for mode in _listed("--modes", modes, _MODES))
    wanted = () if recipes is None else _listed("--recipes", recipes)
    options = CompareOptions(build, wanted, chosen, _listed("--runtimes", runtimes, ("aot", "tflm")))
    with progress(quiet=as_json) as report_progress:
        comparison = compare_builds(options, report_progress)
    if as_json:
        click.echo(comparison.to_json(), nl=False)
    else:
        show_comparison(comparison, console())
    if comparison.exit_code:
        sys.exit(comparison.exit_code)


def _listed(option: str, text: str, known: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The parts between commas, each once.

    Raises:
        OptionError: there are none, or one is not among ``known``.
    """
    parts = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not parts:
        raise OptionError(f"{option}: give at least one name")
    strange = [part for part in parts if known and part not in known]
    if strange:
        raise OptionError(f"{option} {text}: {', '.join(strange)} is none of {', '.join(known)}")
    return parts
