"""From a generated package to firmware: application, validation and profile image of one board.

All three share their objects. The application holds what a user ships; the validation image adds a main
that runs test vectors; the profile image is the validation image whose generated code calls a probe
after each operator.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from tinygen.board import Board, format_bytes
from tinygen.build.linker import linker_script, rendered_sources
from tinygen.build.sizes import Sizes, measure_image
from tinygen.build.toolchain import CompileJob, Failure, Toolchain, compile_all, find_toolchain, run_tool
from tinygen.errors import BudgetError, OptionError
from tinygen.ir import ModelInterface
from tinygen.resources import FIRMWARE

__all__ = ["BuildResult", "Optimization", "build_firmware"]

_OVERFLOW = re.compile(r"region `(\w+)' overflowed by (\d+) bytes")
_SUFFIXES = {".c", ".S"}


@dataclass(frozen=True, slots=True)
class Optimization:
    """Compiler options: kernels take the time, everything else only space."""

    kernels: str = "-O2"
    other: str = "-Os"


@dataclass(frozen=True, slots=True)
class BuildResult:
    """Files of a build and what was measured on the application image.

    Attributes:
        elf, hex, map: the application.
        validate_elf: the validation image, without vectors yet.
        profile_elf: the same with a probe after each operator.
        compiler: name and version.
        sizes: of the application image.
    """

    elf: Path
    hex: Path
    map: Path
    validate_elf: Path
    profile_elf: Path
    compiler: str
    sizes: Sizes


@dataclass(frozen=True, slots=True)
class _Objects:
    """Objects of the three images, relative to the working directory."""

    common: tuple[CompileJob, ...]
    model: tuple[CompileJob, ...]
    probed: tuple[CompileJob, ...]
    application: tuple[CompileJob, ...]
    validation: tuple[CompileJob, ...]
    plain: tuple[CompileJob, ...]
    profile: tuple[CompileJob, ...]

    def all(self) -> list[CompileJob]:
        groups = (self.common, self.model, self.probed, self.application, self.validation, self.plain, self.profile)
        return [job for group in groups for job in group]


def build_firmware(
    package: Path,
    model: ModelInterface,
    board: Board,
    out: Path,
    *,
    work_dir: Path,
    runtime: str = "aot",
    optimization: Optimization = Optimization(),
) -> BuildResult:
    """Compile and link a package for a board.

    The images depend on sources, options and compiler alone, not on where anything lies.

    Args:
        package: folder of the generated package.
        out: where the images go; created.
        work_dir: for objects and rendered sources; created, and left for who wants to look.

    Raises:
        ToolError: the compiler is missing or failed.
        BudgetError: an image does not fit the board's memory.
        OptionError: this runtime can't be linked.
    """
    if runtime != "aot":
        raise OptionError(
            f"runtime {runtime!r} can't be linked into firmware",
            hint="Use --runtime aot; the package's tflm folder builds in a project that has TensorFlow Lite Micro.",
        )
    toolchain = find_toolchain(board.cpu)
    out, work_dir, package = out.resolve(), work_dir.resolve(), package.resolve()
    for folder in (out, work_dir / "generated"):
        folder.mkdir(parents=True, exist_ok=True)
    for name, text in rendered_sources(board, model).items():
        (work_dir / "generated" / name).write_text(text, encoding="utf-8")
    objects = _objects(package, board, work_dir, optimization)
    compile_all(toolchain, objects.all(), work_dir)

    link = _Linker(toolchain, board, work_dir, out)
    application = (*objects.common, *objects.model, *objects.application)
    elf, map_file = link(model.name, application, vectors=False)
    validation = (*objects.common, *objects.validation)
    validate_elf, _ = link(f"{model.name}_validate", (*validation, *objects.model, *objects.plain), vectors=True)
    profile_elf, _ = link(f"{model.name}_profile", (*validation, *objects.probed, *objects.profile), vectors=True)
    hex_file = out / f"{model.name}.hex"
    run_tool([str(toolchain.objcopy), "-O", "ihex", elf.name, hex_file.name], cwd=out)
    return BuildResult(
        elf=elf,
        hex=hex_file,
        map=map_file,
        validate_elf=validate_elf,
        profile_elf=profile_elf,
        compiler=toolchain.version,
        sizes=measure_image(elf, map_file, f"{model.name}_arena"),
    )


def _objects(package: Path, board: Board, work_dir: Path, optimization: Optimization) -> _Objects:
    firmware = FIRMWARE.resolve()
    validate = firmware / "validate"
    # Debug information names folders as they are in the build tree, whatever they are here.
    mapped = [f"-ffile-prefix-map={p}={n}" for p, n in ((package, "model"), (firmware, "firmware"), (work_dir, "."))]
    model_flags = [*mapped, f"-I{package / 'include'}", f"-I{package / 'src'}", f"-I{package / 'kernels'}"]
    flags = [*model_flags, f"-I{firmware / 'include'}", f"-I{work_dir / 'generated'}", optimization.other]
    probe = (*model_flags, optimization.other, "-include", str(validate / "probe.h"))

    def jobs(sources: Sequence[Path], root: Path, folder: str, options: Sequence[str]) -> tuple[CompileJob, ...]:
        return tuple(
            CompileJob(source, Path("obj", folder, source.relative_to(root).with_suffix(".o")), tuple(options))
            for source in sources
        )

    def firmware_jobs(*sources: Path) -> tuple[CompileJob, ...]:
        return jobs(sources, firmware, "firmware", flags)

    kernels = _sources(package / "kernels")
    generated = _sources(package / "src")
    rendered = work_dir / "generated"
    drivers = firmware / "drivers"
    ticks = [drivers / "ticks" / f"{t.driver}.c" for t in board.ticks]
    return _Objects(
        common=(
            *jobs(kernels, package / "kernels", "kernels", [*model_flags, optimization.kernels]),
            *firmware_jobs(*_sources(firmware / board.cpu.startup)),
            *firmware_jobs(*(firmware / "runtime" / f"{name}.c" for name in ("memory", "text"))),
            *firmware_jobs(drivers / "clock" / f"{board.clock.driver}.c", drivers / "uart" / f"{board.uart.driver}.c"),
            *firmware_jobs(firmware / "app" / "app.c"),
            *jobs([rendered / "model_glue.c"], rendered, "rendered", flags),
        ),
        model=jobs(generated, package / "src", "src", [*model_flags, optimization.other]),
        probed=jobs(generated, package / "src", "probed", probe),
        application=firmware_jobs(firmware / "app" / "main.c"),
        validation=(
            *firmware_jobs(*(firmware / "runtime" / f"{name}.c" for name in ("crc32", "ticks"))),
            *firmware_jobs(*ticks, validate / "main.c", validate / "vectors.c"),
            *jobs([rendered / "board_ticks.c"], rendered, "rendered", flags),
        ),
        plain=firmware_jobs(validate / "profile_none.c"),
        profile=firmware_jobs(validate / "profile.c"),
    )


def _sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in _SUFFIXES)


@dataclass(frozen=True, slots=True)
class _Linker:
    toolchain: Toolchain
    board: Board
    work_dir: Path
    out: Path

    def __call__(self, name: str, jobs: Sequence[CompileJob], *, vectors: bool) -> tuple[Path, Path]:
        """Link ``name``.elf into the output folder; returns it and its map."""
        script = self.work_dir / f"{name}.ld"
        script.write_text(linker_script(self.board, vectors=vectors), encoding="utf-8")
        elf = self.work_dir / f"{name}.elf"
        command = [
            str(self.toolchain.compiler),
            *self.toolchain.cpu_flags,
            *("-nostartfiles", "-nostdlib", "-static", "-T", script.name),
            *("-Wl,--gc-sections", "-Wl,--build-id=none", f"-Wl,-Map={name}.map", "-Wl,-z,max-page-size=16"),
            *(str(job.object) for job in jobs),
            # Behind our own objects: only what they leave open is taken from the C library.
            *("-Wl,--start-group", "-lm", "-lc", "-lgcc", "-Wl,--end-group"),
            *("-o", elf.name),
        ]
        try:
            run_tool(command, cwd=self.work_dir)
        except Failure as failure:
            self._raise_if_too_large(name, failure.output, jobs)
            raise
        # The map of a validation image is of no use to a user.
        map_file = (self.work_dir if vectors else self.out) / f"{name}.map"
        (self.work_dir / f"{name}.map").replace(map_file)
        return elf.replace(self.out / elf.name), map_file

    def _raise_if_too_large(self, name: str, output: str, jobs: Sequence[CompileJob]) -> None:
        overflows = _OVERFLOW.findall(output)
        if not overflows:
            return
        places = "; ".join(self._overflow(region, int(count)) for region, count in overflows)
        raise BudgetError(
            f"{name}.elf does not fit {self.board.name}: {places}",
            details=list(_largest_sections(self.work_dir, jobs)),
            hint="A smaller model, a compression recipe, or a board with more memory.",
        )

    def _overflow(self, region_name: str, overflow: int) -> str:
        region = self.board.region(region_name)
        needed = format_bytes(region.bytes + overflow)
        return f"{region_name} needs {needed} of {format_bytes(region.bytes)} bytes, {format_bytes(overflow)} too many"


def _largest_sections(work_dir: Path, jobs: Sequence[CompileJob], count: int = 12) -> Iterator[str]:
    """The largest pieces that were to be linked, for an image that does not exist."""
    found = []
    for job in jobs:
        with (work_dir / job.object).open("rb") as stream:
            for section in ELFFile(stream).iter_sections():
                if section["sh_flags"] & SH_FLAGS.SHF_ALLOC:
                    found.append((section["sh_size"], section.name, str(job.object)))
    yield "the largest pieces:"
    for size, section_name, object_file in sorted(found, reverse=True)[:count]:
        yield f"  {format_bytes(size):>11}  {section_name}  {object_file}"
