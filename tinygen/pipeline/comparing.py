"""``compare_builds``: one model built by several recipes, modes and runtimes, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tinygen.board import load_board
from tinygen.build import Limits, find_toolchain
from tinygen.build.tflm import HOW_TO_GET
from tinygen.codegen import model_name
from tinygen.compress import find_recipe
from tinygen.errors import OptionError, TinygenError
from tinygen.forms import Mode
from tinygen.load import SourceKind, detect
from tinygen.load.dataset import load_dataset
from tinygen.output import check_replaceable, staged_output
from tinygen.pipeline.building import Built, build_and_judge
from tinygen.pipeline.compiling import LoadedModel, load_model
from tinygen.pipeline.judging import NOT_JUDGED, Judgement, agreement
from tinygen.pipeline.latency import check_latency_options
from tinygen.pipeline.options import BuildOptions
from tinygen.pipeline.stages import Progress, Stages
from tinygen.pipeline.verifying import pick_emulator
from tinygen.report.comparison import Comparison, ComparisonRow, Failure, mark_frontier
from tinygen.report.comparison_page import render_comparison

__all__ = ["AS_IS", "CompareOptions", "compare_builds"]

AS_IS = "as-is"
_BASELINES = ("ptq", AS_IS)


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """What is compared.

    Attributes:
        build: what all builds have in common; its recipe, mode and runtime are not used, ``out`` is the comparison's.
        recipes: names or files, or ``as-is`` for none; if empty, ``as-is`` for .tflite, else ``ptq``, ``cluster``.
        modes: of the ahead-of-time compiler.
        runtimes: ``aot``, ``tflm``.
    """

    build: BuildOptions
    recipes: tuple[str, ...] = ()
    modes: tuple[Mode, ...] = (Mode.BALANCED, Mode.SIZE)
    runtimes: tuple[str, ...] = ("aot",)


@dataclass(frozen=True, slots=True)
class _Combination:
    """A row to be: ``recipe`` as the user gave it, ``row`` as it is shown."""

    recipe: str
    row: ComparisonRow
    options: BuildOptions


@dataclass(frozen=True, slots=True, eq=False)
class _Result:
    row: ComparisonRow
    judged: Judgement


def compare_builds(options: CompareOptions, progress: Progress) -> Comparison:
    """Build, run and verify every combination; write compare.json, compare.html and the builds.

    A combination that fails becomes a row with its reason. A recipe runs once for all modes and runtimes.

    Raises:
        TinygenError: what concerns all combinations alike: options, board, emulator, data.
    """
    base = options.build
    board = load_board(base.board)
    name = model_name(base.model.name or base.model.model.stem)
    out = base.out or Path("out") / f"{name}-{board.name}-compare"
    check_replaceable(out, force=base.force)
    recipes = _check(options)
    with staged_output(out, force=base.force) as folder:
        combinations = list(_combinations(options, recipes, folder / "builds"))
        results = list(_results(combinations, progress))
        comparison = replace(_comparison(name, board.name, results), output=str(out))
        (folder / "compare.json").write_text(comparison.to_json(), encoding="utf-8")
        (folder / "compare.html").write_text(render_comparison(comparison), encoding="utf-8")
    return comparison


def _check(options: CompareOptions) -> dict[str, str]:
    """Refuse before any work what no combination can do.

    Returns:
        The recipes as the user gave them, and their names.
    """
    base = options.build
    board = load_board(base.board)
    Limits.of(board, base.flash, base.ram)
    pick_emulator(board, base.run)
    find_toolchain(board.cpu, base.toolchain)
    check_latency_options(base, board)
    if not base.validate:
        raise OptionError("a comparison runs what it builds")
    if "tflm" in options.runtimes and base.tflm is None:
        raise OptionError("--runtimes tflm: no TensorFlow Lite Micro to link; pass --tflm DIR", hint=HOW_TO_GET)
    if base.model.data is not None:
        load_dataset(base.model.data)
    is_tflite = detect(base.model.model) is SourceKind.TFLITE
    recipes = options.recipes or ((AS_IS,) if is_tflite else ("ptq", "cluster"))
    return {recipe: AS_IS if recipe == AS_IS else find_recipe(recipe).name for recipe in recipes}


def _combinations(options: CompareOptions, recipes: dict[str, str], folder: Path) -> Iterator[_Combination]:
    taken: set[str] = set()
    for recipe, title in recipes.items():
        model = replace(options.build.model, recipe=None if recipe == AS_IS else recipe)
        for runtime in dict.fromkeys(options.runtimes):
            for mode in dict.fromkeys(options.modes if runtime == "aot" else (Mode.BALANCED,)):
                row = ComparisonRow(title, mode.value if runtime == "aot" else "", runtime)
                place = _place("-".join(row.title.split()), taken)
                build = replace(options.build, model=replace(model, mode=mode), runtime=runtime, out=folder / place)
                yield _Combination(recipe, replace(row, folder=f"builds/{place}"), build)


def _place(text: str, taken: set[str]) -> str:
    """A folder's name, unlike the others: recipes may be called as they like."""
    plain = "".join(c if c.isalnum() or c in "-_" else "_" for c in text)
    name = plain
    while name in taken:
        name = f"{plain}-{len(taken)}"
    taken.add(name)
    return name


def _results(combinations: Sequence[_Combination], progress: Progress) -> Iterator[_Result]:
    """Build one after the other; what a recipe makes is kept until the next recipe's turn."""
    recipe: str | None = None
    loaded: LoadedModel | TinygenError | None = None
    for number, combination in enumerate(combinations, 1):

        def say(text: str, head: str = f"{number} of {len(combinations)}, {combination.row.title}") -> None:
            progress(f"{head}: {text}")

        if combination.recipe != recipe or loaded is None:
            recipe, loaded = combination.recipe, _load(combination, say)
        yield _build(combination, loaded, say)


def _load(combination: _Combination, progress: Progress) -> LoadedModel | TinygenError:
    try:
        return load_model(combination.options.model, Stages(progress))
    except TinygenError as error:
        return error


def _build(combination: _Combination, loaded: LoadedModel | TinygenError, progress: Progress) -> _Result:
    try:
        if isinstance(loaded, TinygenError):
            raise loaded
        built = build_and_judge(combination.options, progress, loaded)
    except TinygenError as error:
        return _Result(replace(combination.row, folder="", failure=Failure.of(error)), NOT_JUDGED)
    return _Result(_row(combination.row, built, loaded), built.judged)


def _row(row: ComparisonRow, built: Built, loaded: LoadedModel) -> ComparisonRow:
    report = built.report
    run = report.validation
    log = None if loaded.compressed is None else loaded.compressed.log
    return replace(
        row,
        metrics=report.metrics,
        vectors=run.vectors,
        flash_bytes=report.flash.total,
        ram_bytes=report.ram.total,
        instructions=run.instructions_per_inference,
        latency_ms=run.latency_ms,
        energy_mj=run.energy_mj,
        tuning_seconds=None if log is None else round(sum(step.seconds for step in log.steps), 1),
    )


def _comparison(name: str, board: str, results: Sequence[_Result]) -> Comparison:
    """Judge the rows by the metric that they have in common, and mark the best."""
    built = [result for result in results if result.row.built]
    metric = next((result.judged.metric for result in built if result.judged.metric), "")
    baseline = _baseline(built)
    rows = []
    for result in results:
        same = None if baseline is None else agreement(result.judged, baseline.judged)
        value = same if metric == "agreement" else result.row.metrics.get(metric, {}).get("board")
        rows.append(replace(result.row, agreement=same, quality=value))
    title = "" if baseline is None else baseline.row.title
    return Comparison(name, board, metric, title, mark_frontier(rows, metric), tuple(_notes(built, metric)))


def _baseline(built: Sequence[_Result]) -> _Result | None:
    """The model as it is without compression, else the first that there is."""
    for recipe in _BASELINES:
        for result in built:
            if result.row.recipe == recipe:
                return result
    return built[0] if built else None


def _notes(built: Sequence[_Result], metric: str) -> Iterator[str]:
    if not built:
        return
    if not metric:
        yield "No data, or none that say what is right: quality was not measured."
        return
    if len({result.judged.samples for result in built}) > 1:
        yield (
            "Rows are judged on different samples: each recipe on its own validation split, as-is on all data. "
            "Give recipes the same `seed` and `validation` to compare their quality."
        )
    elif any(result.row.tuning_seconds is not None for result in built):
        yield f"Judged on {len(built[0].judged.samples)} samples of the validation split, which no recipe trained on."
    else:
        yield f"Judged on {len(built[0].judged.samples)} samples."
