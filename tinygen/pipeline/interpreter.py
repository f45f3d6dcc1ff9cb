"""TensorFlow Lite Micro as the runtime: choosing the library, and measuring the interpreter's arena on the board."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from tinygen.board import Board
from tinygen.build import Tflm, build_arena_image, find_tflm
from tinygen.build.tflm import HOW_TO_GET
from tinygen.codegen import TflmArena
from tinygen.emulate import Batch, Emulator
from tinygen.emulate.session import Session
from tinygen.errors import BudgetError, MismatchError, OptionError
from tinygen.pipeline.compiling import Compiled
from tinygen.pipeline.options import BuildOptions
from tinygen.pipeline.stages import Stages

__all__ = ["chosen_tflm", "with_measured_arena"]

# What the measuring image needs of RAM beside the arena: its variables, the interpreter, a stack.
_BESIDE_BYTES = 6 << 10
# More than any library needs: operators may ask for buffers that the reference kernels do without.
_ROOM_FACTOR, _ROOM_BYTES = 4, 64 << 10
# Other versions of the library, or other kernels, differ by some tens of bytes.
_MARGIN_BYTES = 64


def chosen_tflm(options: BuildOptions, board: Board) -> Tflm | None:
    """The library to link, ``None`` for the ahead-of-time runtime.

    Raises:
        OptionError: ``--runtime tflm`` without ``--tflm``, or for a core or a compiler that it is not linked for.
        ToolError: there is no library for the board's core.
    """
    if options.runtime == "aot":
        return None
    if options.tflm is None:
        raise OptionError("--runtime tflm: no TensorFlow Lite Micro to link; pass --tflm DIR", hint=HOW_TO_GET)
    return find_tflm(options.tflm, board.cpu, options.toolchain)


def with_measured_arena(
    compiled: Compiled, board: Board, tflm: Tflm, emulator: Emulator, seconds: float, stages: Stages
) -> Compiled:
    """Find on the board the smallest arena that the interpreter needs, and write it into the package.

    Raises:
        BudgetError: it does not fit into the board's RAM.
        ToolError: compiler or emulator failed.
    """
    with stages.stage("arena", f"measuring TensorFlow Lite Micro's arena on {emulator.name}"):
        room = _room(compiled, board)
        try:
            smallest = _smallest(compiled, board, tflm, emulator, room, seconds)
        except MismatchError as error:
            # A library with assertions may stop instead of returning an error when the arena is too small.
            comment = f"{compiled.arena.comment} It could not be measured on {board.name}: {error.message}."
            return compiled.with_arena(TflmArena(compiled.arena.smallest_bytes, comment))
    if not smallest:
        raise BudgetError(
            f"TensorFlow Lite Micro can't run the model on {board.name}: it needs an arena of more than {room:,} bytes",
            hint="The ahead-of-time runtime (--runtime aot) needs less; or take a board with more memory.",
        )
    comment = f"Measured on {board.name} with {tflm.title}: the smallest that works, a multiple of 16."
    return compiled.with_arena(TflmArena(smallest, comment, _MARGIN_BYTES))


def _room(compiled: Compiled, board: Board) -> int:
    free = board.region(board.placement.data).bytes - _BESIDE_BYTES
    return max(min(free, _ROOM_FACTOR * compiled.arena.bytes + _ROOM_BYTES), 0) // 16 * 16


def _smallest(compiled: Compiled, board: Board, tflm: Tflm, emulator: Emulator, room: int, seconds: float) -> int:
    """Bytes, 0 if not even all room is enough."""
    with TemporaryDirectory(prefix="tinygen-arena-") as folder:
        package, work_dir = Path(folder) / "package", Path(folder) / "work"
        compiled.package.write(package)
        elf = build_arena_image(package, compiled.interface, board, work_dir=work_dir, tflm=tflm, arena_bytes=room)
        session = Session(compiled.interface, Batch(()), elf)
        emulator.run(board, elf, session, seconds)
    return int(session.info.get("arena", "0"))
