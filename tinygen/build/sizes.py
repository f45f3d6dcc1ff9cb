"""What an image takes of flash and RAM, and who takes it: read from the ELF file and the linker's map.

The totals come from the ELF file's sections. The map tells which object file each piece came from; the
object's folder in the build tree tells which part of the firmware it is.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

__all__ = ["PARTS", "Piece", "Sizes", "Symbol", "measure_image", "part_of"]

# Parts of the firmware, as reports name them, in the order in which they are shown.
PARTS = ("weights", "kernels", "generated", "runtime", "c_library", "application", "padding")

# Sections that are no use of memory by the program: the rest of RAM, and the validation's vectors.
_NOT_COUNTED = frozenset({".tg_stack", ".tg_vectors"})
# Lines of a map that tell an input section's address, size and object file: GNU ld's and lld's. The
# addresses of what is not loaded count from 0, where some chips have their flash.
_LOADED = r"(?!\.(?:debug_|comment|note|ARM\.attributes|riscv\.attributes))"
_INPUT = re.compile(rf"^ (?:{_LOADED}\.\S+|COMMON)\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)\s+(\S.*)$")
_INPUT_LLD = re.compile(rf"^ *([0-9a-f]+) +[0-9a-f]+ +([0-9a-f]+) +\d+ {{9}}(\S.*):\({_LOADED}[^()]*\)$")


@dataclass(frozen=True, slots=True)
class Piece:
    """An input section as it lies in the image."""

    section: str
    address: int
    bytes: int
    object_file: str
    part: str


@dataclass(frozen=True, slots=True)
class Symbol:
    """A function or variable; ``memory`` is where it lives at run time."""

    name: str
    bytes: int
    memory: str
    part: str
    object_file: str


@dataclass(frozen=True, slots=True)
class Sizes:
    """Flash and static RAM of an image, in bytes.

    Attributes:
        flash_bytes: all that is loaded into flash, initial values of variables included.
        flash_parts: the same, split by ``PARTS``; adds up to ``flash_bytes``.
        static_bytes: variables without the model's arena.
        arena_bytes: the model's arena.
        symbols: functions and variables, largest first.
        objects: object file -> its bytes of flash, largest first.
    """

    flash_bytes: int
    flash_parts: Mapping[str, int]
    static_bytes: int
    arena_bytes: int
    symbols: tuple[Symbol, ...]
    objects: Mapping[str, int]

    def largest(self, memory: str, count: int = 10) -> tuple[Symbol, ...]:
        """The largest symbols in ``flash`` or ``ram``."""
        return tuple(s for s in self.symbols if s.memory == memory)[:count]

    def ram_bytes(self, stack_bytes: int) -> int:
        """RAM with a stack of this depth."""
        return self.static_bytes + self.arena_bytes + stack_bytes


@dataclass(frozen=True, slots=True)
class _Section:
    name: str
    address: int
    bytes: int
    in_flash: bool
    in_ram: bool


def part_of(object_file: str) -> str:
    """The part of the firmware that an object belongs to, by its path in the build tree."""
    path = object_file.replace("\\", "/")
    name = path.rsplit("/", 1)[-1]
    if path.startswith("obj/kernels/"):
        return "kernels"
    if path.startswith(("obj/src/", "obj/probed/")):
        return "weights" if name.endswith("_weights.o") else "generated"
    if path.startswith("obj/tflm/"):
        return "weights" if name.endswith("_model.o") else "generated"
    if path.startswith("obj/") or name == "<internal>":  # lld's merged strings: only the firmware has texts
        return "application"
    if "tensorflow-microlite" in name:
        return "kernels" if "(arm_" in name else "runtime"  # CMSIS-NN's files
    return "c_library"


def measure_image(elf: Path, map_file: Path, arena_symbol: str) -> Sizes:
    """Measure a linked image.

    Args:
        elf: the image.
        map_file: the map that the linker wrote with it.
        arena_symbol: name of the model's arena; where the image has none, it counts as 0 bytes.
    """
    with elf.open("rb") as stream:
        image = ELFFile(stream)
        sections = [s for s in _sections(image) if s.name not in _NOT_COUNTED]
        pieces = _pieces(map_file.read_text(encoding="utf-8", errors="replace"), sections)
        symbols = tuple(sorted(_symbols(image, sections, pieces), key=lambda s: (-s.bytes, s.name)))
    flash_bytes = sum(s.bytes for s in sections if s.in_flash)
    ram_bytes = sum(s.bytes for s in sections if s.in_ram)
    arena_bytes = sum(s.bytes for s in symbols if s.name == arena_symbol and s.memory == "ram")
    in_flash = {s.name for s in sections if s.in_flash}
    parts = dict.fromkeys(PARTS, 0)
    objects: dict[str, int] = {}
    for piece in pieces:
        if piece.section in in_flash:
            parts[piece.part] += piece.bytes
            objects[piece.object_file] = objects.get(piece.object_file, 0) + piece.bytes
    parts["padding"] = flash_bytes - sum(parts.values())
    return Sizes(
        flash_bytes=flash_bytes,
        flash_parts=parts,
        static_bytes=ram_bytes - arena_bytes,
        arena_bytes=arena_bytes,
        symbols=symbols,
        objects=dict(sorted(objects.items(), key=lambda item: (-item[1], item[0]))),
    )


def _sections(image: ELFFile) -> Iterator[_Section]:
    for section in image.iter_sections():
        flags = section["sh_flags"]
        if not flags & SH_FLAGS.SHF_ALLOC or section["sh_size"] == 0:
            continue
        yield _Section(
            name=section.name,
            address=section["sh_addr"],
            bytes=section["sh_size"],
            in_flash=section["sh_type"] != "SHT_NOBITS",
            in_ram=bool(flags & SH_FLAGS.SHF_WRITE),
        )


def _pieces(map_text: str, sections: Sequence[_Section]) -> list[Piece]:
    """Input sections that were kept, by ascending address."""
    _, gnu, text = map_text.partition("Linker script and memory map")
    # A long section name stands alone in its line; its numbers follow in the next one.
    text = re.sub(r"^( \.\S+)\n\s+0x", r"\1 0x", text, flags=re.MULTILINE) if gnu else map_text
    pattern = _INPUT if gnu else _INPUT_LLD
    found = []
    for line in text.splitlines():
        match = pattern.match(line)
        if match is None:
            continue
        address, size = int(match[1], 16), int(match[2], 16)
        section = _section_at(address, sections) if size else None
        if section is not None:
            object_file = match[3].strip()
            found.append(Piece(section.name, address, size, object_file, part_of(object_file)))
    return sorted(found, key=lambda piece: piece.address)


def _section_at(address: int, sections: Sequence[_Section]) -> _Section | None:
    return next((s for s in sections if s.address <= address < s.address + s.bytes), None)


def _symbols(image: ELFFile, sections: Sequence[_Section], pieces: Sequence[Piece]) -> Iterator[Symbol]:
    addresses = [piece.address for piece in pieces]
    table = image.get_section_by_name(".symtab")
    for symbol in table.iter_symbols() if table else ():
        if symbol["st_info"]["type"] not in ("STT_FUNC", "STT_OBJECT") or not symbol["st_size"]:
            continue
        address = symbol["st_value"] & ~1 if symbol["st_info"]["type"] == "STT_FUNC" else symbol["st_value"]
        section = _section_at(address, sections)
        position = bisect.bisect_right(addresses, address) - 1
        if section is None or position < 0:
            continue
        piece = pieces[position]
        memory = "ram" if section.in_ram else "flash"
        yield Symbol(symbol.name, symbol["st_size"], memory, piece.part, piece.object_file)
