"""Static libraries as ``ar`` writes them, and the core that an object file was compiled for."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

__all__ = ["ArchiveError", "Core", "core_of", "defined_symbols", "member_with"]

_MAGIC = b"!<arch>\n"
_HEADER_BYTES = 60

# Addenda to the ABI for the Arm architecture (IHI 0045), 3.3: values of Tag_CPU_arch.
_ARCH_NAMES = {
    10: "Armv7-M", 11: "Armv6-M", 12: "Armv6-M", 13: "Armv7E-M", 16: "Armv8-M baseline", 17: "Armv8-M", 21: "Armv8.1-M",
}  # fmt: skip
# What else a core of each architecture runs; Armv8-M runs Armv7E-M's code only with the DSP extension.
_RUNS = {
    10: {11, 12}, 13: {10, 11, 12}, 16: {11, 12}, 17: {10, 11, 12, 16}, 21: {10, 11, 12, 16, 17},
}  # fmt: skip
_ARMV7E_M, _SINGLE_PRECISION = 13, 1
_RISCV_COMPRESSED = 1


class ArchiveError(Exception):
    """The file is not a static library with an index, or not of ELF objects."""


@dataclass(frozen=True, slots=True)
class Core:
    """What an object file asks of the core: the Arm EABI's build attributes, or RISC-V's flags.

    Attributes:
        machine: such as ``EM_ARM``.
        flags: the ELF header's, on other machines than Arm.
        arch, fpu, mve: Tag_CPU_arch, Tag_FP_arch and Tag_MVE_arch; more is better only within ``runs``.
        single_precision: the FPU, if any, has no double precision.
        hard_float: arguments in the FPU's registers.
        dsp: Armv8-M's DSP extension.
    """

    machine: str
    flags: int = 0
    arch: int = 0
    fpu: int = 0
    mve: int = 0
    single_precision: bool = False
    hard_float: bool = False
    dsp: bool = False

    def runs(self, other: Core) -> bool:
        """Whether code for the other core runs on this one and can be linked with code for it."""
        if self.machine != other.machine or self.hard_float != other.hard_float:
            return False
        if self.machine != "EM_ARM":
            return self.flags == other.flags or self.flags == other.flags | _RISCV_COMPRESSED
        arch = other.arch == self.arch or other.arch in _RUNS.get(self.arch, ())
        arch = arch or (self.dsp and other.arch == _ARMV7E_M)
        double = other.fpu == 0 or other.single_precision or not self.single_precision
        return arch and other.fpu <= self.fpu and other.mve <= self.mve and double

    def likeness(self, other: Core) -> int:
        """How many properties are the same."""
        return sum(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def __str__(self) -> str:
        if self.machine != "EM_ARM":
            return f"{self.machine.removeprefix('EM_')}, flags {self.flags:#x}"
        words = [_ARCH_NAMES.get(self.arch, f"Arm architecture {self.arch}")]
        if self.fpu:
            words.append("single-precision FPU" if self.single_precision else "double-precision FPU")
        words += ["MVE"] if self.mve else []
        return ", ".join([*words, "hard-float" if self.hard_float else "soft-float"])


def core_of(data: bytes) -> Core:
    """The core that an object file was compiled for.

    Raises:
        ArchiveError: it is no ELF file.
    """
    try:
        image = ELFFile(BytesIO(data))
        machine = str(image["e_machine"])
        if machine != "EM_ARM":
            return Core(machine, flags=int(image["e_flags"]))
        tags = _arm_tags(image)
    except (ELFError, ValueError, KeyError) as error:
        raise ArchiveError(f"no ELF object that can be read: {error}") from error
    return Core(
        machine,
        arch=tags.get("TAG_CPU_ARCH", 0),
        fpu=tags.get("TAG_FP_ARCH", 0),
        mve=tags.get("TAG_MVE_ARCH", 0),
        single_precision=tags.get("TAG_ABI_HARDFP_USE", 0) == _SINGLE_PRECISION,
        hard_float=tags.get("TAG_ABI_VFP_ARGS", 0) == 1,
        dsp=tags.get("TAG_DSP_EXTENSION", 0) == 1,
    )


def _arm_tags(image: ELFFile) -> dict[str, int]:
    section = image.get_section_by_name(".ARM.attributes")
    if section is None:
        return {}
    return {
        attribute.tag: attribute.value
        for vendor in section.iter_subsections()
        for scope in vendor.iter_subsubsections()
        for attribute in scope.iter_attributes()
        if isinstance(attribute.value, int)
    }


def defined_symbols(archive: Path) -> Mapping[str, int]:
    """Global symbols that a library defines, and where in the file the member with each lies.

    The linker goes by the same index: GNU ar's first member, named ``/``.

    Raises:
        ArchiveError: not an archive, or without an index.
    """
    data = archive.read_bytes()
    name, index = _member(data, len(_MAGIC)) if data.startswith(_MAGIC) else ("", b"")
    if name != "/":
        raise ArchiveError("not a static library with an index")
    try:
        (count,) = struct.unpack_from(">I", index)
        offsets = struct.unpack_from(f">{count}I", index, 4)
    except struct.error as error:
        raise ArchiveError(f"a damaged index: {error}") from error
    names = index[4 + 4 * count :].split(b"\0")
    return {n.decode(errors="replace"): offset for n, offset in zip(names, offsets, strict=False)}


def member_with(archive: Path, offset: int) -> bytes:
    """The member that starts at an offset from ``defined_symbols``.

    Raises:
        ArchiveError: there is none.
    """
    return _member(archive.read_bytes(), offset)[1]


def _member(data: bytes, offset: int) -> tuple[str, bytes]:
    header = data[offset : offset + _HEADER_BYTES]
    if len(header) < _HEADER_BYTES or not header[48:58].strip().isdigit():
        raise ArchiveError(f"no member at offset {offset}")
    start = offset + _HEADER_BYTES
    return header[:16].decode(errors="replace").rstrip(), data[start : start + int(header[48:58])]
