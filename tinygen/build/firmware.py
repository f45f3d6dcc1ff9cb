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
from tinygen.build.ihex import write_hex
from tinygen.build.linker import linker_script
from tinygen.build.objects import Optimization, Tree
from tinygen.build.sizes import Sizes, measure_image
from tinygen.build.tflm import Tflm, require_cxx, with_readable_names
from tinygen.build.toolchain import CompileJob, Failure, Kind, Toolchain, compile_all, find_toolchain, run_tool
from tinygen.errors import BudgetError
from tinygen.ir import ModelInterface

__all__ = ["BuildResult", "ImageOverflow", "Optimization", "build_arena_image", "build_firmware"]

_DEFAULT = Optimization()
# GNU ld; lld.
_OVERFLOW = re.compile(r"region [`'](\w+)'(?:: | )overflowed by (\d+) bytes")


@dataclass(frozen=True, slots=True)
class BuildResult:
    """Files of a build and what was measured on the application image.

    Attributes:
        elf, hex, map: the application.
        validate_elf: the validation image, without vectors yet.
        profile_elf: the same with a probe after each operator; ``None`` for TensorFlow Lite Micro.
        compiler: name and version.
        sizes: of the application image.
        notes: what a user should know of what was linked.
    """

    elf: Path
    hex: Path
    map: Path
    validate_elf: Path
    profile_elf: Path | None
    compiler: str
    sizes: Sizes
    notes: tuple[str, ...] = ()


class ImageOverflow(BudgetError):
    """The linker found an image too large for the board's memory, so that there is none.

    Attributes:
        flash_bytes: by how much flash is too small; 0 if other memory is, too.
    """

    def __init__(self, message: str, *, flash_bytes: int, hint: str, details: Sequence[str]) -> None:
        super().__init__(message, hint=hint, details=details)
        self.flash_bytes = flash_bytes


def build_firmware(
    package: Path,
    model: ModelInterface,
    board: Board,
    out: Path,
    *,
    work_dir: Path,
    tflm: Tflm | None = None,
    optimization: Optimization = _DEFAULT,
    toolchain: Kind | None = None,
) -> BuildResult:
    """Compile and link a package for a board.

    The images depend on sources, options and compiler alone, not on where anything lies.

    Args:
        package: folder of the generated package.
        out: where the images go; created.
        work_dir: for objects and rendered sources; created, and left for who wants to look.
        tflm: link TensorFlow Lite Micro's interpreter instead of the ahead-of-time code.
        toolchain: the compiler to take; ``None`` for GCC, or Zig where that is missing.

    Raises:
        ToolError: the compiler is missing or failed.
        ImageOverflow: an image does not fit the board's memory.
    """
    compiler = find_toolchain(board.cpu, toolchain)
    tree = Tree.create(package, model, board, work_dir, tflm, optimization)
    out = out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    objects = tree.objects()
    if tflm is not None:
        require_cxx(compiler, tree.work_dir)
    compile_all(compiler, objects.all(), tree.work_dir)

    link = _Linker(compiler, board, tree.work_dir, out, tree.libraries())
    application = (*objects.common, *objects.model, *objects.application)
    elf, map_file = link(model.name, application, vectors=False)
    validation = (*objects.common, *objects.validation)
    validate_elf, _ = link(f"{model.name}_validate", (*validation, *objects.model, *objects.plain), vectors=True)
    profile_elf = None
    if objects.probed:
        profile_elf, _ = link(f"{model.name}_profile", (*validation, *objects.probed, *objects.profile), vectors=True)
    hex_file = out / f"{model.name}.hex"
    write_hex(elf, hex_file)
    sizes = measure_image(elf, map_file, _arena_symbol(model, tflm))
    return BuildResult(
        elf=elf,
        hex=hex_file,
        map=map_file,
        validate_elf=validate_elf,
        profile_elf=profile_elf,
        compiler=compiler.version,
        sizes=sizes if tflm is None else with_readable_names(sizes, compiler),
        notes=() if tflm is None else (tflm.note,),
    )


def build_arena_image(
    package: Path, model: ModelInterface, board: Board, *, work_dir: Path, tflm: Tflm, arena_bytes: int
) -> Path:
    """Link an image that finds the smallest arena for TensorFlow Lite Micro's interpreter.

    Args:
        arena_bytes: the arena that it has to try with.

    Returns:
        The image, in ``work_dir``.

    Raises:
        ToolError: the compiler is missing or failed.
        BudgetError: the image does not fit the board's memory.
    """
    compiler = find_toolchain(board.cpu, "gcc")  # find_tflm() lets no other link a library
    tree = Tree.create(package, model, board, work_dir, tflm, _DEFAULT)
    require_cxx(compiler, tree.work_dir)
    jobs = tree.arena_objects(arena_bytes)
    compile_all(compiler, jobs, tree.work_dir)
    link = _Linker(compiler, board, tree.work_dir, tree.work_dir, tree.libraries())
    return link(f"{model.name}_arena", jobs, vectors=False)[0]


def _arena_symbol(model: ModelInterface, tflm: Tflm | None) -> str:
    name = f"{model.name}_arena"
    return name if tflm is None else f"_ZL{len(name)}{name}"  # a static variable in C++


@dataclass(frozen=True, slots=True)
class _Linker:
    toolchain: Toolchain
    board: Board
    work_dir: Path
    out: Path
    libraries: Sequence[str]

    def __call__(self, name: str, jobs: Sequence[CompileJob], *, vectors: bool) -> tuple[Path, Path]:
        """Link ``name``.elf into the output folder; returns it and its map."""
        script = self.work_dir / f"{name}.ld"
        script.write_text(linker_script(self.board, vectors=vectors), encoding="utf-8")
        elf = self.work_dir / f"{name}.elf"
        command = self.toolchain.link_command(
            [str(job.object) for job in jobs],
            self.libraries,
            script=script.name,
            map_file=f"{name}.map",
            elf=elf.name,
            work_dir=self.work_dir,
        )
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
        overflows: dict[str, int] = {}
        for region, count in _OVERFLOW.findall(output):  # lld tells it for each section, the last one most
            overflows[region] = max(int(count), overflows.get(region, 0))
        if not overflows:
            return
        places = "; ".join(self._overflow(region, count) for region, count in overflows.items())
        flash = {self.board.placement.code, self.board.placement.constants}
        raise ImageOverflow(
            f"{name}.elf does not fit {self.board.name}: {places}",
            flash_bytes=sum(overflows.values()) if overflows.keys() <= flash else 0,
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
