"""``build_model``: the flat list of stages from a model file to a folder with verified firmware."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

from tinygen.board import Board, load_board
from tinygen.build import BuildResult, ImageOverflow, Limits, Optimization, Tflm, build_firmware, check_budget
from tinygen.codegen import model_name
from tinygen.emulate import write_emulation
from tinygen.errors import OptionError
from tinygen.load.vectors import Vectors, choose_vectors
from tinygen.output import check_replaceable, staged_output
from tinygen.pipeline.compiling import Compiled, LoadedModel, compile_again, compile_model, target_of
from tinygen.pipeline.compressing import write_compressed
from tinygen.pipeline.fitting import better_limit, limit_after_overflow, model_limit
from tinygen.pipeline.interpreter import chosen_tflm, with_measured_arena
from tinygen.pipeline.judging import NOT_JUDGED, Judgement, judge
from tinygen.pipeline.latency import Latency, check_latency, check_latency_options, estimate_latency
from tinygen.pipeline.options import BuildOptions, ModelOptions
from tinygen.pipeline.reporting import build_report
from tinygen.pipeline.stages import Progress, Stages
from tinygen.pipeline.verifying import Subject, Verified, pick_emulator, raise_on_mismatch, verify
from tinygen.report import BuildReport, render_html

__all__ = ["Built", "build_and_judge", "build_model", "generate_model", "inspect_model"]


@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """A finished build: its report, and what the board chose for each sample."""

    report: BuildReport
    judged: Judgement


# To fit an image into its limit; a second one if the first spent too much.
MOST_RETRIES = 2
# To fit images into the board: the linker finds one of the three too large after the other, and estimates may be off.
MOST_OVERFLOWS = 4


def build_model(options: BuildOptions, progress: Progress) -> BuildReport:
    """From a model file to a folder with the package, firmware, and the evidence.

    Raises:
        TinygenError: with DESIGN.md's exit codes; then the output folder is as it was before.
    """
    return build_and_judge(options, progress).report


def build_and_judge(options: BuildOptions, progress: Progress, loaded: LoadedModel | None = None) -> Built:
    """As ``build_model``.

    Args:
        loaded: what ``load_model`` made of ``options.model``, to compile it more than once.

    Raises:
        TinygenError: with DESIGN.md's exit codes; then the output folder is as it was before.
    """
    stages = Stages(progress)
    board = load_board(options.board)
    limits = Limits.of(board, options.flash, options.ram)
    emulator = pick_emulator(board, options.run, progress) if options.validate else None
    out = options.out or Path("out") / f"{model_name(options.model.name or options.model.model.stem)}-{board.name}"
    check_replaceable(out, force=options.force)
    check_latency_options(options, board)
    tflm = chosen_tflm(options, board)

    compiled = compile_model(options.model, target_of(board), stages, loaded, model_limit(options.flash))
    vectors = choose_vectors(compiled.interface, compiled.loaded.dataset, options.run.vectors)
    with staged_output(out, force=options.force) as folder, TemporaryDirectory(prefix="tinygen-") as work:
        if tflm is not None and emulator is not None:
            compiled = with_measured_arena(compiled, board, tflm, emulator, options.run.time_limit, stages)
        compiled, firmware = _build_within(limits, compiled, options, board, folder, Path(work), tflm, stages)
        check_budget(firmware.sizes, limits)
        verified: Verified | None = None
        latency: Latency | None = None
        if emulator is not None:
            subject = _subject(compiled, board, firmware)
            verified = verify(subject, vectors, emulator, options.run.time_limit, stages)
            raise_on_mismatch(verified, subject)
            latency = estimate_latency(options, subject, vectors, verified, emulator, stages)
        budget = check_budget(firmware.sizes, limits, verified.run.stack_bytes if verified else 0)
        check_latency(latency, options.latency_ms)
        judged = _judged(compiled, vectors, verified)
        report = build_report(
            options, compiled, board, firmware, budget, vectors, verified, judged, latency, stages, out
        )
        with stages.stage("report", "writing the report"):
            _write_results(folder, compiled, board, firmware, vectors, verified, report)
    return Built(report, judged)


def _build_within(
    limits: Limits,
    compiled: Compiled,
    options: BuildOptions,
    board: Board,
    folder: Path,
    work: Path,
    tflm: Tflm | None,
    stages: Stages,
) -> tuple[Compiled, BuildResult]:
    """Link the firmware; if it does not fit, or leaves much of a limit unused, once more with other forms."""
    limit = model_limit(options.flash)
    retries, overflows = (MOST_RETRIES, MOST_OVERFLOWS) if tflm is None else (0, 0)
    while True:
        estimated = compiled.choice.totals.flash
        try:
            firmware = _build(compiled, options, board, folder, work, tflm, stages)
        except ImageOverflow as overflow:
            # The linker's figure is exact: what it leaves unused is not worth the risk of another overflow.
            again, limit = limit_after_overflow(overflow, estimated), None
            if again is None or not overflows:
                raise
            overflows -= 1
        else:
            again = limit = better_limit(firmware.sizes, limits, estimated, limit) if retries else None
            if again is None:
                return compiled, firmware
            retries -= 1
        compiled = compile_again(compiled, options.model, target_of(board), stages, again)


def _build(
    compiled: Compiled, options: BuildOptions, board: Board, folder: Path, work: Path, tflm: Tflm | None, stages: Stages
) -> BuildResult:
    """Write the package and link the firmware; once more over what was there, if need be."""
    package = folder / compiled.interface.name
    with stages.stage("build", f"compiling for {board.name}"):
        for made in (package, folder / "firmware"):
            rmtree(made, ignore_errors=True)
        compiled.package.write(package)
        return build_firmware(
            package,
            compiled.interface,
            board,
            folder / "firmware",
            work_dir=work,
            tflm=tflm,
            optimization=Optimization(kernels=compiled.choice.kernel_level),
            toolchain=options.toolchain,
        )


def generate_model(options: ModelOptions, board: str | None, out: Path, *, force: bool, progress: Progress) -> Compiled:
    """Write the package alone, into ``out/<name>``."""
    target = target_of(load_board(board) if board else None)
    name = model_name(options.name or options.model.stem)
    if (out / name).exists() and not force and not (out / name / "manifest.json").is_file():
        raise OptionError(
            f"{out / name}: exists, and tinygen did not make it",
            hint="Choose another folder with --out, or pass --force to replace it.",
        )
    compiled = compile_model(options, target, Stages(progress))
    with staged_output(out / name, force=True) as folder:
        compiled.package.write(folder)
    return compiled


def inspect_model(options: ModelOptions, board: str | None, progress: Progress) -> Compiled:
    """Compile in memory, to look at."""
    return compile_model(options, target_of(load_board(board) if board else None), Stages(progress))


def _subject(compiled: Compiled, board: Board, firmware: BuildResult) -> Subject:
    return Subject(
        board=board,
        interface=compiled.interface,
        graph=compiled.graph,
        flatbuffer=compiled.loaded.flatbuffer,
        file=compiled.loaded.file,
        validate_elf=firmware.validate_elf,
        profile_elf=firmware.profile_elf,
    )


def _judged(compiled: Compiled, vectors: Vectors, verified: Verified | None) -> Judgement:
    if verified is None:
        return NOT_JUDGED
    loaded = compiled.loaded
    positions = None if loaded.compressed is None else loaded.compressed.validation.tolist()
    return judge(
        compiled.interface,
        vectors,
        verified,
        loaded.dataset,
        loaded.float_outputs,
        positions,
        loaded.original_outputs,
    )


def _write_results(
    folder: Path,
    compiled: Compiled,
    board: Board,
    firmware: BuildResult,
    vectors: Vectors,
    verified: Verified | None,
    report: BuildReport,
) -> None:
    (folder / "model.tflite").write_bytes(compiled.loaded.flatbuffer)
    if compiled.loaded.compressed is not None:
        write_compressed(folder, compiled.interface.name, compiled.loaded.compressed)
    if verified is not None:
        write_emulation(folder / "emulation", board, compiled.interface, firmware.validate_elf, vectors, verified)
    (folder / "report.json").write_text(report.to_json(), encoding="utf-8")
    (folder / "report.html").write_text(render_html(report), encoding="utf-8")
