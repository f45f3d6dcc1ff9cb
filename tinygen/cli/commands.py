"""The commands: options in, a call of the library, output."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinygen.cli.compare import compare
from tinygen.cli.compress import compress, recipe_options
from tinygen.cli.options import (
    board_option,
    data_option,
    json_option,
    model_argument,
    model_options,
    run_options,
    toolchain_option,
    vector_count,
)

if TYPE_CHECKING:
    from tinygen.build import Kind
    from tinygen.pipeline import Compiled

__all__ = ["COMMANDS"]

_PATH = click.Path(path_type=Path)
_LATENCY = "Limit for the estimated latency of an inference in milliseconds."
_CYCLES = "Estimate cycles, latency and energy. [default: unless it takes long]"
_MODES = click.Choice(["speed", "size", "ram", "balanced"])
_mode_option = click.option(
    "--optimize", "mode", type=_MODES, default="balanced", show_default=True, help="What matters most."
)


@click.command()
@model_argument
@board_option
@data_option
@model_options
@recipe_options
@run_options
@_mode_option
@click.option("--out", "-o", type=_PATH, help="Output folder. [default: out/<name>-<board>]")
@click.option("--force", is_flag=True, help="Replace the output folder even if tinygen did not make it.")
@click.option("--runtime", type=click.Choice(["aot", "tflm"]), default="aot", show_default=True, help="What is linked.")
@click.option("--tflm", type=_PATH, help="A built TensorFlow Lite Micro, for --runtime tflm.")
@click.option("--flash", metavar="SIZE", help="Limit for flash, such as 64K. [default: the board's]")
@click.option("--ram", metavar="SIZE", help="Limit for RAM, such as 20K. [default: the board's]")
@click.option("--latency", metavar="MS", type=click.FloatRange(min=0, min_open=True), help=_LATENCY)
@click.option("--cycles/--no-cycles", default=None, help=_CYCLES)
@toolchain_option
@click.option("--no-validate", is_flag=True, help="Build only; run nothing.")
@json_option
def build(
    model: Path,
    board: str,
    data: Path | None,
    name: str | None,
    allow_custom_code: bool,
    recipe: str | None,
    resume: bool,
    emulator: str | None,
    port: str | None,
    baud: int | None,
    vectors: str | None,
    time_limit: float,
    mode: str,
    out: Path | None,
    force: bool,
    runtime: str,
    tflm: Path | None,
    flash: str | None,
    ram: str | None,
    latency: float | None,
    cycles: bool | None,
    toolchain: Kind | None,
    no_validate: bool,
    as_json: bool,
) -> None:
    """Turn MODEL into firmware, run it, verify every bit.

    MODEL is a Keras .keras or .h5 file, a SavedModel folder, or a .tflite file.
    """
    from tinygen.cli.console import console, progress
    from tinygen.forms import Mode
    from tinygen.pipeline import BuildOptions, ModelOptions, RunOptions, build_model
    from tinygen.report import show_report

    options = BuildOptions(
        model=ModelOptions(model, data, name, allow_custom_code, Mode(mode), recipe, not resume),
        board=board,
        run=RunOptions(emulator, vector_count(vectors), time_limit, port, baud),
        out=out,
        force=force,
        runtime=runtime,
        tflm=tflm,
        flash=flash,
        ram=ram,
        validate=not no_validate,
        toolchain=toolchain,
        latency_ms=latency,
        cycles=cycles,
    )
    with progress(quiet=as_json) as report_progress:
        report = build_model(options, report_progress)
    if as_json:
        click.echo(report.to_json(), nl=False)
    else:
        show_report(report, console())


@click.command()
@model_argument
@click.option("--board", "-b", help="Board whose core decides the kernels. [default: portable C]")
@data_option
@model_options
@_mode_option
@click.option("--out", "-o", type=_PATH, required=True, help="Folder for the package; it gets a subfolder <name>.")
@click.option("--force", is_flag=True, help="Replace the folder even if tinygen did not make it.")
@json_option
def generate(
    model: Path,
    board: str | None,
    data: Path | None,
    name: str | None,
    allow_custom_code: bool,
    mode: str,
    out: Path,
    force: bool,
    as_json: bool,
) -> None:
    """Write the C package of MODEL, without compiling it."""
    from tinygen.cli.console import console, progress
    from tinygen.forms import Mode
    from tinygen.pipeline import ModelOptions, generate_model

    options = ModelOptions(model, data, name, allow_custom_code, Mode(mode))
    with progress(quiet=as_json) as report_progress:
        compiled = generate_model(options, board, out, force=force, progress=report_progress)
    if as_json:
        click.echo(json.dumps({"name": compiled.interface.name, "files": sorted(compiled.package.files)}, indent=2))
    else:
        console().print(f"wrote {len(compiled.package.files)} files to [bold]{out / compiled.interface.name}[/]")


@click.command()
@model_argument
@click.option("--board", "-b", help="Board whose core decides the kernels. [default: portable C]")
@data_option
@model_options
@_mode_option
@click.option("--graph", "show_graph", is_flag=True, help="Print the optimized graph as text.")
@json_option
def inspect(
    model: Path,
    board: str | None,
    data: Path | None,
    name: str | None,
    allow_custom_code: bool,
    mode: str,
    show_graph: bool,
    as_json: bool,
) -> None:
    """Show what MODEL consists of and estimate what it will need.

    MODEL may be the output folder of a build, too: then the layers are shown with what was measured.
    """
    from tinygen.cli.console import console, progress
    from tinygen.cli.inspection import inspection, show_build, show_inspection
    from tinygen.forms import Mode
    from tinygen.ir import to_text
    from tinygen.pipeline import ModelOptions, inspect_model

    if (model / "report.json").is_file() and not show_graph:
        show_build(model, console(), as_json=as_json)
        return
    options = ModelOptions(model, data, name, allow_custom_code, Mode(mode))
    with progress(quiet=as_json or show_graph) as report_progress:
        compiled: Compiled = inspect_model(options, board, report_progress)
    if show_graph:
        click.echo(to_text(compiled.graph), nl=False)
    elif as_json:
        click.echo(json.dumps(inspection(compiled), indent=2))
    else:
        show_inspection(compiled, console())


@click.command()
@click.argument("folder", type=_PATH)
@click.option("--board", "-b", help="The board's file, if it is not one of tinygen's. [default: as built]")
@data_option
@run_options
@json_option
def validate(
    folder: Path,
    board: str | None,
    data: Path | None,
    emulator: str | None,
    port: str | None,
    baud: int | None,
    vectors: str | None,
    time_limit: float,
    as_json: bool,
) -> None:
    """Run the firmware of a finished build again.

    FOLDER is the output of `tinygen build`. Other data, or another emulator, may be used.
    """
    from tinygen.cli.console import console, progress
    from tinygen.pipeline import RunOptions, ValidateOptions, validate_build
    from tinygen.report import show_report

    run = RunOptions(emulator, vector_count(vectors), time_limit, port, baud)
    options = ValidateOptions(folder, data, run, board)
    with progress(quiet=as_json) as report_progress:
        report = validate_build(options, report_progress)
    if as_json:
        click.echo(report.to_json(), nl=False)
    else:
        show_report(report, console())


@click.group(invoke_without_command=True)
@click.pass_context
@json_option
def boards(context: click.Context, as_json: bool) -> None:
    """List the boards that tinygen knows."""
    if context.invoked_subcommand is None:
        from tinygen.cli.boards import list_boards

        list_boards(as_json=as_json)


@boards.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show all that is known about a board."""
    from tinygen.cli.boards import show_board

    show_board(name, as_json=as_json)


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Look for compilers and emulators."""
    from tinygen.cli.doctor import examine

    examine(as_json=as_json)


COMMANDS = (build, compress, compare, generate, inspect, validate, boards, doctor)
