"""Bounds-checked access to a flatbuffer.

The accessors that flatc generates for Python believe every offset and length. They reach the bytes only
through their ``_tab``, though; ``Flatbuffer.checked`` replaces it by a ``CheckedTable``, which reads nothing
outside the file and stops when a file asks for much more work than its size can justify (a few
kilobytes can describe millions of elements, by vectors that share their bytes).

Layout: https://flatbuffers.dev/internals/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from flatbuffers import number_types

__all__ = ["CheckedTable", "Flatbuffer", "FlatbufferError"]

# A sound file stores nearly every table and element once. Twice is for lengths that are looked at twice,
# twice more for writers that let equal tables and vectors share their bytes.
WORK_PER_BYTE = 4
WORK_PER_TABLE = 32


class FlatbufferError(ValueError):
    """The bytes are not a well-formed flatbuffer."""


class Flatbuffer:
    """The bytes of one file, and how much of it may still be read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._work_left = WORK_PER_BYTE * len(data)

    def root(self, accessor: Any) -> Any:
        """Open the root table by an instance of its generated class."""
        position = int.from_bytes(self.data[:4], "little")
        accessor.Init(self.data, position)
        return self.checked(accessor)

    def checked(self, accessor: Any) -> Any:
        """Make a generated accessor read through a ``CheckedTable``; ``None`` passes."""
        if accessor is not None:
            self.work(WORK_PER_TABLE)
            accessor._tab = CheckedTable(self, accessor._tab.Pos)
        return accessor

    def tables(self, accessor: Any, field: str) -> Iterator[Any]:
        """The checked elements of a vector of tables."""
        for index in range(getattr(accessor, f"{field}Length")()):
            yield self.checked(getattr(accessor, field)(index))

    def numbers(self, accessor: Any, field: str) -> tuple[Any, ...]:
        """A vector of numbers as Python's own; empty when it is absent."""
        if getattr(accessor, f"{field}Length")() == 0:
            return ()
        return tuple(getattr(accessor, f"{field}AsNumpy")().tolist())

    def text(self, raw: bytes | None) -> str:
        """A string field: undecodable and unprintable characters become U+FFFD, for they end up in messages."""
        decoded = (raw or b"").decode("utf-8", errors="replace")
        return "".join(c if c.isprintable() else "\ufffd" for c in decoded)

    def require(self, start: int, size: int, what: str) -> None:
        """Raise unless ``size`` bytes from ``start`` lie inside the file."""
        if start < 0 or size < 0 or start + size > len(self.data):
            raise FlatbufferError(f"{what} at byte {start} reaches outside the file of {len(self.data)} bytes")

    def work(self, amount: int) -> None:
        """Account for work; raise when the file has asked for absurdly much."""
        self._work_left -= amount
        if self._work_left < 0:
            raise FlatbufferError("its vectors claim more elements than the file has room for")


class CheckedTable:
    """The methods of ``flatbuffers.table.Table`` that generated accessors call, with every read checked."""

    __slots__ = ("Bytes", "Pos", "_file", "_size", "_vtable", "_vtable_size")

    def __init__(self, file: Flatbuffer, position: int) -> None:
        self._file, self.Bytes, self.Pos = file, file.data, position
        self._vtable = position - self.Get(number_types.SOffsetTFlags, position)
        self._vtable_size = self.Get(number_types.VOffsetTFlags, self._vtable)
        self._size = self.Get(number_types.VOffsetTFlags, self._vtable + 2)
        if self._vtable_size < 4 or self._vtable_size % 2 or self._size < 4:
            raise FlatbufferError(f"the table at byte {position} has a malformed vtable")
        file.require(self._vtable, self._vtable_size, "a vtable")
        file.require(position, self._size, "a table")

    def Offset(self, slot: int) -> int:
        """Where in the table the field of a vtable slot lies; 0 if it is absent."""
        if slot + 2 > self._vtable_size:
            return 0
        offset = int(self.Get(number_types.VOffsetTFlags, self._vtable + slot))
        if offset >= self._size:
            raise FlatbufferError(f"a field of the table at byte {self.Pos} lies outside it")
        return offset

    def Get(self, flags: Any, position: int) -> Any:
        """The number at an absolute position."""
        self._file.require(position, flags.bytewidth, "a number")
        return flags.py_type(flags.packer_type.unpack_from(self.Bytes, position)[0])

    def Indirect(self, position: int) -> int:
        """Follow the offset stored at an absolute position."""
        return int(position + self.Get(number_types.UOffsetTFlags, position))

    def String(self, position: int) -> bytes:
        """The string whose offset is stored at an absolute position."""
        start = self.Indirect(position)
        length = self._length(start, 1)
        return self.Bytes[start + 4 : start + 4 + length]

    def VectorLen(self, offset: int) -> int:
        """Length of the vector in the field at ``offset`` in this table."""
        return self._length(self.Indirect(self.Pos + offset), 1)

    def Vector(self, offset: int) -> int:
        """Absolute position of the first element of the vector in a field."""
        return self.Indirect(self.Pos + offset) + 4

    def Union(self, table: Any, offset: int) -> None:
        """Point ``table`` at the union's value."""
        table.Bytes, table.Pos = self.Bytes, self.Indirect(self.Pos + offset)

    def GetVectorAsNumpy(self, flags: Any, offset: int) -> Any:
        """The vector in a field as a read-only view of the file."""
        start = self.Vector(offset)
        length = self._length(start - 4, flags.bytewidth)
        dtype = np.dtype(number_types.to_numpy_type(flags)).newbyteorder("<")
        return np.frombuffer(self.Bytes, dtype, length, start)

    def _length(self, start: int, element_bytes: int) -> int:
        length = int(self.Get(number_types.UOffsetTFlags, start))
        self._file.require(start, 4 + length * element_bytes, f"a vector of {length}")
        self._file.work(length)
        return length
