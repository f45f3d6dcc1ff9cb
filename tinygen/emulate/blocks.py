"""The instructions of an image, as the blocks that a trace names."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from elftools.elf.elffile import ELFFile

from tinygen.emulate.thumb import CONTROL, Instruction, decode
from tinygen.errors import InternalError

__all__ = ["Code"]

# QEMU ends a block where a page of the guest ends, 1 KiB on Armv6-M and Armv7-M.
_PAGE_BYTES = 1024
_LONGEST_RUN = 512


class Code:
    """Instructions by address.

    Args:
        elf: an image for an M-profile core.
    """

    def __init__(self, elf: Path) -> None:
        image = ELFFile(BytesIO(elf.read_bytes()))
        self._name = elf.name
        self._segments = [
            (int(s["p_vaddr"]), s.data()) for s in image.iter_segments() if s["p_type"] == "PT_LOAD" and s["p_filesz"]
        ]
        symbols = image.get_section_by_name(".symtab")
        named = [s for s in (symbols.iter_symbols() if symbols else ()) if s["st_info"]["type"] == "STT_FUNC"]
        self.functions: Mapping[str, int] = {s.name: int(s["st_value"]) & ~1 for s in named}
        self._ends = {s.name: (int(s["st_value"]) & ~1) + int(s["st_size"]) for s in named}
        self._decoded: dict[int, Instruction] = {}
        self._runs: dict[int, tuple[Instruction, ...]] = {}

    def at(self, address: int) -> Instruction:
        """The instruction at an address.

        Raises:
            InternalError: the image has nothing there.
        """
        known = self._decoded.get(address)
        if known is None:
            for start, data in self._segments:
                if start <= address < start + len(data):
                    known = self._decoded[address] = decode(data, address - start, address)
                    break
            else:
                raise InternalError(f"{self._name}: the trace ran at 0x{address:08x}, where the image has no code")
        return known

    def ranges_without(self, prefixes: tuple[str, ...]) -> list[tuple[int, int]]:
        """First and last address of each stretch of the image between the functions whose names begin so."""
        left_out = sorted((self.functions[n], end) for n, end in self._ends.items() if n.startswith(prefixes))
        ranges = []
        for start, data in self._segments:
            end = start + len(data)
            for first, behind in left_out:
                if start <= first < end:
                    ranges.append((start, first - 1))
                    start = behind
            ranges.append((start, end - 1))
        return [(first, last) for first, last in ranges if first <= last]

    def block(self, address: int, following: int) -> tuple[Instruction, ...]:
        """The instructions that ran from ``address`` on before the block at ``following`` began.

        A block ends behind its first branch. It ends earlier if QEMU cut it: then the next block begins
        inside it. A next block inside it may as well be the target of that branch, a loop's head;
        but loops' heads at the end of a page are cut, too.
        """
        run = self._run(address)
        if address < following < run[-1].end and (run[-1].target != following or following % _PAGE_BYTES == 0):
            for count, instruction in enumerate(run, 1):
                if instruction.end == following:
                    return run[:count]
        return run

    def _run(self, address: int) -> tuple[Instruction, ...]:
        """From an address to the first branch."""
        known = self._runs.get(address)
        if known is None:
            instructions = [self.at(address)]
            while instructions[-1].kind not in CONTROL and len(instructions) < _LONGEST_RUN:
                instructions.append(self.at(instructions[-1].end))
            known = self._runs[address] = tuple(instructions)
        return known
