"""Intel HEX, the form in which programmers take an image.

Source: Intel, "Hexadecimal Object File Format Specification", revision A.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from elftools.elf.elffile import ELFFile

__all__ = ["write_hex"]

_RECORD_BYTES = 16
_DATA, _END, _UPPER_ADDRESS, _ENTRY = 0, 1, 4, 5


def write_hex(elf: Path, out: Path) -> None:
    """Write what an image loads, at the addresses where flash holds it, and its entry point."""
    with elf.open("rb") as stream:
        image = ELFFile(stream)
        chunks = [(s["p_paddr"], s.data()) for s in image.iter_segments() if s["p_type"] == "PT_LOAD" and s["p_filesz"]]
        entry = image["e_entry"]
    out.write_text("".join(f"{line}\n" for line in _lines(sorted(chunks), entry)), encoding="ascii")


def _lines(chunks: list[tuple[int, bytes]], entry: int) -> Iterator[str]:
    upper = 0
    for address, data in chunks:
        end = address + len(data)
        while address < end:
            if address >> 16 != upper:
                upper = address >> 16
                yield _record(_UPPER_ADDRESS, 0, upper.to_bytes(2, "big"))
            # A record must not run over the end of its 64 KiB.
            count = min(_RECORD_BYTES, end - address, 0x10000 - (address & 0xFFFF))
            yield _record(_DATA, address & 0xFFFF, data[len(data) - (end - address) :][:count])
            address += count
    yield _record(_ENTRY, 0, entry.to_bytes(4, "big"))
    yield _record(_END, 0, b"")


def _record(kind: int, offset: int, data: bytes) -> str:
    content = bytes([len(data), offset >> 8, offset & 0xFF, kind]) + data
    return f":{content.hex().upper()}{-sum(content) & 0xFF:02X}"
