"""The sources of firmware images, and how each is compiled.

All images share their objects: application, validation, profile, and the one that measures an arena.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tinygen.board import Board
from tinygen.build.linker import rendered_sources
from tinygen.build.tflm import Tflm
from tinygen.build.toolchain import CompileJob
from tinygen.ir import ModelInterface
from tinygen.resources import FIRMWARE, environment

__all__ = ["Objects", "Optimization", "Tree"]

_SUFFIXES = {".c", ".cc", ".S"}
_Jobs = tuple[CompileJob, ...]


@dataclass(frozen=True, slots=True)
class Optimization:
    """Compiler options: kernels take the time, everything else only space."""

    kernels: str = "-O2"
    other: str = "-Os"


@dataclass(frozen=True, slots=True)
class Objects:
    """Objects of application, validation and profile image; ``probed`` and ``profile`` may be empty."""

    common: _Jobs
    model: _Jobs
    probed: _Jobs
    application: _Jobs
    validation: _Jobs
    plain: _Jobs
    profile: _Jobs

    def all(self) -> _Jobs:
        return (
            *self.common,
            *self.model,
            *self.probed,
            *self.application,
            *self.validation,
            *self.plain,
            *self.profile,
        )


@dataclass(frozen=True, slots=True)
class Tree:
    """A build tree: where sources are taken from and where objects go.

    Attributes:
        package: folder of the generated package.
        work_dir: objects and rendered sources; objects are named relative to it.
        tflm: ``None`` for the ahead-of-time runtime.
    """

    package: Path
    model: ModelInterface
    board: Board
    work_dir: Path
    tflm: Tflm | None
    optimization: Optimization

    @classmethod
    def create(
        cls,
        package: Path,
        model: ModelInterface,
        board: Board,
        work_dir: Path,
        tflm: Tflm | None,
        optimization: Optimization,
    ) -> Tree:
        """Make the folder and render the sources that depend on board and model."""
        tree = cls(package.resolve(), model, board, work_dir.resolve(), tflm, optimization)
        tree._rendered.mkdir(parents=True, exist_ok=True)
        for name, text in rendered_sources(board, model).items():
            (tree._rendered / name).write_text(text, encoding="utf-8")
        return tree

    def objects(self) -> Objects:
        """What application, validation and profile image consist of."""
        validate = FIRMWARE.resolve() / "validate"
        probe = ("-include", str(validate / "probe.h"))
        aot = self.tflm is None
        return Objects(
            common=self._common(),
            model=self._aot_model("src") if aot else self._tflm_model(),
            probed=self._aot_model("probed", *probe) if aot else (),
            application=self._firmware("app/main"),
            validation=(
                *self._firmware("runtime/crc32", "runtime/ticks", "validate/main", "validate/vectors"),
                *self._firmware(*(f"drivers/ticks/{ticks.driver}" for ticks in self.board.ticks)),
                *self._rendered_jobs("board_ticks.c"),
            ),
            plain=self._firmware("validate/profile_none"),
            profile=self._firmware("validate/profile") if aot else (),
        )

    def arena_objects(self, arena_bytes: int) -> _Jobs:
        """What the image consists of that measures TensorFlow Lite Micro's arena."""
        glue = environment().get_template("firmware/arena_glue.c.j2").render(model=self.model)
        (self._rendered / "arena_glue.c").write_text(glue, encoding="utf-8")
        define = f"-D{self.model.macro}_TFLM_ARENA_BYTES={arena_bytes}"
        return (
            *self._common(),
            *self._tflm_model(define),
            *self._firmware("validate/arena"),
            *self._rendered_jobs("arena_glue.c", f"-I{FIRMWARE.resolve() / 'validate'}", define),
        )

    def libraries(self) -> tuple[str, ...]:
        """What is linked behind the objects."""
        libraries = tuple(f"-l{name}" for name in self.board.cpu.libraries)
        return libraries if self.tflm is None else self.tflm.link_inputs(self.work_dir)

    @property
    def _rendered(self) -> Path:
        return self.work_dir / "generated"

    def _common(self) -> _Jobs:
        startup = FIRMWARE.resolve() / self.board.cpu.startup
        return (
            *(self._kernels() if self.tflm is None else self._firmware("runtime/hosted")),
            *self._jobs(_sources(startup), FIRMWARE.resolve(), "firmware", self._firmware_flags()),
            *self._firmware(*(f"runtime/{name}" for name in ("fault", "memory", "stack", "start", "text")), "app/app"),
            *self._firmware(f"drivers/clock/{self.board.clock.driver}", f"drivers/uart/{self.board.uart.driver}"),
            *self._rendered_jobs("model_glue.c"),
        )

    def _kernels(self) -> _Jobs:
        folder = self.package / "kernels"
        return self._jobs(_sources(folder), folder, "kernels", [*self._model_flags(), self.optimization.kernels])

    def _aot_model(self, objects: str, *options: str) -> _Jobs:
        folder = self.package / "src"  # but not src/arduino
        flags = [*self._model_flags(), self.optimization.other, *options]
        return self._jobs(sorted(folder.glob("*.c")), folder, objects, flags)

    def _tflm_model(self, *options: str) -> _Jobs:
        assert self.tflm is not None
        folder = self.package / "tflm"
        glue = (folder / f"{self.model.name}_tflm.cc").read_text(encoding="utf-8")
        flags = [*self._model_flags(), *self.tflm.compile_flags(self.model.macro, glue), *options]
        return self._jobs(_sources(folder), folder, "tflm", [*flags, self.optimization.other])

    def _firmware(self, *names: str) -> _Jobs:
        firmware = FIRMWARE.resolve()
        return self._jobs([firmware / f"{n}.c" for n in names], firmware, "firmware", self._firmware_flags())

    def _rendered_jobs(self, name: str, *options: str) -> _Jobs:
        return self._jobs([self._rendered / name], self._rendered, "rendered", [*self._firmware_flags(), *options])

    def _model_flags(self) -> list[str]:
        # Debug information names folders as they are in the build tree, whatever they are here.
        places = ((self.package, "model"), (FIRMWARE.resolve(), "firmware"), (self.work_dir, "."))
        mapped = [f"-ffile-prefix-map={path}={name}" for path, name in places]
        folders = ("include", "src", "kernels") if self.tflm is None else ("include", "tflm")
        return [*mapped, *(f"-I{self.package / folder}" for folder in folders)]

    def _firmware_flags(self) -> list[str]:
        includes = [f"-I{FIRMWARE.resolve() / 'include'}", f"-I{self._rendered}"]
        return [*self._model_flags(), *includes, self.optimization.other]

    def _jobs(self, sources: Sequence[Path], root: Path, folder: str, options: Sequence[str]) -> _Jobs:
        return tuple(
            CompileJob(source, Path("obj", folder, source.relative_to(root).with_suffix(".o")), tuple(options))
            for source in sources
        )


def _sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in _SUFFIXES)
