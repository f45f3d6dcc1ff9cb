"""``tinygen compress``: run a recipe and show what each step did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinygen.cli.options import data_option, json_option, model_options
from tinygen.errors import OptionError

if TYPE_CHECKING:
    from rich.console import Console

    from tinygen.compress import Compressed, CompressionLog

__all__ = ["compress", "recipe_options"]

_PATH = click.Path(path_type=Path)


def recipe_options(function: click.decorators.FC) -> click.decorators.FC:
    """Which recipe, and whether finished steps are taken from the cache."""
    for option in (
        click.option(
            "--resume/--fresh", default=True, show_default=True, help="Take steps done before, or do all again."
        ),
        click.option("--recipe", "-r", help="A recipe file, or the name of one that `tinygen compress --list` shows."),
    ):
        function = option(function)
    return function


@click.command()
@click.argument("model", type=_PATH, required=False)
@data_option
@model_options
@recipe_options
@click.option("--out", "-o", type=_PATH, help="Output folder. [default: out/<model>-<recipe>]")
@click.option("--force", is_flag=True, help="Replace the output folder even if tinygen did not make it.")
@click.option("--list", "show_list", is_flag=True, help="List the recipes that come with tinygen.")
@json_option
def compress(
    model: Path | None,
    data: Path | None,
    name: str | None,
    allow_custom_code: bool,
    recipe: str | None,
    resume: bool,
    out: Path | None,
    force: bool,
    show_list: bool,
    as_json: bool,
) -> None:
    """Compress MODEL by a recipe: prune, cluster, quantize, shrink.

    Writes the model as .keras, as model.tflite, and compress.json, the log of every step. Recipes without
    training take a .tflite, too.
    """
    if show_list:
        _list(as_json=as_json)
        return
    if model is None or recipe is None:
        raise OptionError(
            f"tinygen compress needs {'MODEL' if model is None else '--recipe'}",
            hint="Such as: tinygen compress model.keras --recipe cluster --data samples.npz --out small",
        )
    from tinygen.cli.console import console, progress
    from tinygen.pipeline import ModelOptions
    from tinygen.pipeline.compressing import compress_to_folder

    out = out or Path("out") / f"{model.stem}-{Path(recipe).stem}"
    options = ModelOptions(model, data, name, allow_custom_code, recipe=recipe, fresh=not resume)
    with progress(quiet=as_json) as report_progress:
        result = compress_to_folder(options, out, force=force, progress=report_progress)
    if as_json and result.missed is None:
        click.echo(result.log.to_json(), nl=False)
    elif not as_json:
        _show(result, out, console())
    if result.missed is not None:
        raise result.missed


def _list(*, as_json: bool) -> None:
    from tinygen.cli.console import console
    from tinygen.compress import find_recipe, shipped_recipes

    found = [find_recipe(name) for name in shipped_recipes()]
    if as_json:
        click.echo(json.dumps([recipe.to_dict() for recipe in found], indent=2))
        return
    from rich.table import Table

    table = Table("recipe", "steps", "what it does", box=None, header_style="dim")
    for recipe in found:
        table.add_row(recipe.name, " → ".join(step.kind for step in recipe.steps), recipe.about)
    console().print(table)


def _show(result: Compressed, out: Path, console: Console) -> None:
    from tinygen.report import CompressionReport
    from tinygen.report.compression import show_steps
    from tinygen.report.sensitivity import sensitivity_table, show_sensitivity

    log = result.log
    show_steps(CompressionReport.of(log), console)
    table = sensitivity_table(log)
    if table is not None:
        show_sensitivity(table, console)
    _show_tensors(log, console)
    console.print(log.verdict)
    for note in log.notes:
        console.print(f"[dim]note:[/] {note}")
    console.print(f"wrote [bold]{out}[/]")


def _show_tensors(log: CompressionLog, console: Console) -> None:
    """What the int8 weights have, layer by layer."""
    from rich.table import Table

    facts = next((step.tensors for step in reversed(log.steps) if step.tensors), ())
    table = Table("int8 weights of", "kind", "count", "zeros", "values", "per channel", box=None, header_style="dim")
    for fact in facts:
        counts = (str(fact["values"]), str(fact["values_per_channel"]))
        table.add_row(fact["layer"], fact["kind"], f"{fact['weights']:,}", f"{fact['zeros']:.0%}", *counts)
    if facts:
        console.print(table)
