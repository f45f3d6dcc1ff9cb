"""Test vectors inside a linked image: replaced in the ELF file's ``.tg_vectors``, nothing is compiled.

The section is the last one in flash and has a program header of its own, so its contents can move to
the end of the file and grow up to the end of the flash region. ``firmware/validate/vectors.h``
describes the layout.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from tinygen.emulate.tg import ABI
from tinygen.errors import BudgetError, InternalError

__all__ = ["ALL_OPS", "Batch", "batches", "read_batch", "vector_capacity", "write_batch"]

SECTION = ".tg_vectors"
ALL_OPS = 0xFFFFFFFF
_MAGIC = 0x43564754
_HEADER = struct.Struct("<8I")
_WANT_LAYERS, _WANT_DATA = 1, 2
# Program and section headers of a 32-bit ELF file: the fields that change.
_PHDR = struct.Struct("<8I")
_SHDR = struct.Struct("<10I")


@dataclass(frozen=True, slots=True)
class Batch:
    """Vectors for one run.

    Attributes:
        vectors: the inputs of each, one input after the other; all of one size.
        first_index: number of the first one in the whole validation.
        layers: ask a profile image for a line for each operator.
        data_op: operator whose whole output a profile image is to print as well; ``ALL_OPS`` for all.
    """

    vectors: tuple[bytes, ...]
    first_index: int = 0
    layers: bool = False
    data_op: int | None = None


def batches(
    elf: Path, vectors: Sequence[bytes], *, layers: bool = False, data_op: int | None = None
) -> Iterator[Batch]:
    """Cut vectors into batches that fit the image's flash.

    Raises:
        BudgetError: not even one vector fits.
    """
    if not vectors:
        return
    capacity = vector_capacity(elf) // max(len(vectors[0]), 1)
    if capacity < 1:
        raise BudgetError(
            f"{elf.name}: no room for a test vector of {len(vectors[0]):,} bytes in the flash that the firmware leaves",
            hint="Validate on a board with more flash.",
        )
    for first in range(0, len(vectors), capacity):
        yield Batch(tuple(vectors[first : first + capacity]), first, layers, data_op)


def vector_capacity(elf: Path) -> int:
    """Bytes of vectors that fit between the section's start and the end of flash."""
    with elf.open("rb") as stream:
        image = _open(stream.read(), elf)
    section = image.get_section_by_name(SECTION)
    symbols = image.get_section_by_name(".symtab").get_symbol_by_name("tg_vectors_limit") or ()
    if section is None or not symbols:
        raise InternalError(f"{elf.name} was not linked as a validation image")
    return max(0, int(symbols[0]["st_value"] - section["sh_addr"]) - _HEADER.size)


def write_batch(elf: Path, batch: Batch, out: Path) -> None:
    """Write a copy of an image that carries these vectors; ``out`` may be ``elf`` itself."""
    out.write_bytes(_with_contents(elf.read_bytes(), _contents(batch), elf))


def read_batch(elf: Path) -> Batch:
    """The vectors that an image carries."""
    image = _open(elf.read_bytes(), elf)
    data = image.get_section_by_name(SECTION).data()
    _, _, count, first_index, size, wants, data_op, _ = _HEADER.unpack_from(data)
    body = data[_HEADER.size :]
    vectors = tuple(body[i * size : (i + 1) * size] for i in range(count))
    return Batch(vectors, first_index, bool(wants & _WANT_LAYERS), data_op if wants & _WANT_DATA else None)


def _contents(batch: Batch) -> bytes:
    sizes = {len(vector) for vector in batch.vectors}
    if len(sizes) > 1:
        raise InternalError(f"vectors of different sizes: {sorted(sizes)} bytes")
    body = b"".join(batch.vectors)
    wants_data = batch.data_op is not None
    wants = (_WANT_LAYERS if batch.layers or wants_data else 0) | (_WANT_DATA if wants_data else 0)
    header = _HEADER.pack(
        _MAGIC,
        ABI,
        len(batch.vectors),
        batch.first_index,
        sizes.pop() if sizes else 0,
        wants,
        ALL_OPS if batch.data_op is None else batch.data_op,
        zlib.crc32(body),
    )
    return header + body


def _open(data: bytes, name: Path) -> ELFFile:
    try:
        image = ELFFile(BytesIO(data))
    except ELFError as error:
        raise InternalError(f"{name} is not an ELF file: {error}") from error
    if image.elfclass != 32 or not image.little_endian:
        raise InternalError(f"{name} is not a 32-bit little-endian ELF file")
    return image


def _with_contents(data: bytes, contents: bytes, name: Path) -> bytes:
    image = _open(data, name)
    section = image.get_section_by_name(SECTION)
    if section is None:
        raise InternalError(f"{name} has no section {SECTION}")
    section_index = image.get_section_index(SECTION)
    segment_index = next(
        i
        for i, s in enumerate(image.iter_segments())
        if s["p_type"] == "PT_LOAD" and s["p_vaddr"] == section["sh_addr"]
    )
    # Vectors from an earlier call lie at the end of the file: take their place instead of growing.
    if section["sh_offset"] + section["sh_size"] == len(data):
        data = data[: section["sh_offset"]]
    offset = -(-len(data) // 16) * 16
    result = bytearray(data.ljust(offset, b"\0") + contents)

    at = image["e_phoff"] + segment_index * image["e_phentsize"]
    kind, _, vaddr, paddr, _, _, flags, _ = _PHDR.unpack_from(result, at)
    _PHDR.pack_into(result, at, kind, offset, vaddr, paddr, len(contents), len(contents), flags, 16)

    at = image["e_shoff"] + section_index * image["e_shentsize"]
    fields = list(_SHDR.unpack_from(result, at))
    fields[4:6] = offset, len(contents)
    _SHDR.pack_into(result, at, *fields)
    return bytes(result)
