"""Programs that put an image into a board's flash: which there are, and what they are told."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tinygen.board import Board
from tinygen.build.ihex import write_hex

__all__ = ["FLASHERS", "Flasher", "find_flasher", "flash_command", "ways_to_flash"]


@dataclass(frozen=True, slots=True)
class Flasher:
    """A program that flashes and then resets a board.

    Attributes:
        program: its name; a board's ``[flash]`` table says under the same name how it calls the board.
        arguments: with ``{elf}``, ``{hex}`` and ``{target}``; a list of words is one option each.
        each: put before each word of the target, such as ``-f``.
    """

    program: str
    arguments: tuple[str, ...]
    each: str = ""


# Sources: pyocd.io/docs/command_reference; OpenOCD's manual, "Flash Programming"; stlink's doc/tutorial.md.
FLASHERS = (
    Flasher("pyocd", ("flash", "--target", "{target}", "{elf}")),
    Flasher("openocd", ("{target}", "-c", "program {elf} verify reset exit"), each="-f"),
    Flasher("st-flash", ("--reset", "--format", "ihex", "write", "{hex}")),
)


def find_flasher(board: Board) -> Flasher | None:
    """The first program that is installed and knows the board."""
    return next((f for f in FLASHERS if f.program in board.flash and shutil.which(f.program)), None)


def flash_command(flasher: Flasher, board: Board, elf: Path) -> list[str]:
    """What flashes an image. Writes its Intel HEX beside it, for programs that want that."""
    image = elf.with_suffix(".hex")
    write_hex(elf, image)
    return _command(flasher, board, str(elf), str(image))


def ways_to_flash(board: Board, elf: str, image: str) -> Sequence[str]:
    """Commands for people, with whatever program they have or get."""
    return [shlex.join(_command(f, board, elf, image)) for f in FLASHERS if f.program in board.flash]


def _command(flasher: Flasher, board: Board, elf: str, image: str) -> list[str]:
    target = board.flash[flasher.program].split()
    words = [flasher.program]
    for argument in flasher.arguments:
        if argument == "{target}":
            words += [word for part in target for word in ((flasher.each, part) if flasher.each else (part,))]
        else:
            words.append(argument.replace("{elf}", elf).replace("{hex}", image))
    return words
