"""The TG protocol: text lines from the validation firmware, read into events.

``docs/TG_PROTOCOL.md`` is the contract. Lines that don't start with ``TG`` are the board's own talk and
are passed over; a TG line that breaks the contract is an error that quotes it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tinygen.errors import ToolError

__all__ = [
    "ABI",
    "Data",
    "Done",
    "Event",
    "Fault",
    "Hello",
    "Info",
    "Layer",
    "LineSplitter",
    "Output",
    "ProtocolError",
    "Stack",
    "Ticks",
    "parse_line",
]

ABI = 1
LONGEST_LINE = 1 << 20


class ProtocolError(ToolError):
    """A line from the UART that the protocol does not allow."""


@dataclass(frozen=True, slots=True)
class Hello:
    """First line of a run: the model's name, the protocol's version, the number of vectors."""

    name: str
    abi: int
    vectors: int


@dataclass(frozen=True, slots=True)
class Info:
    """Facts about the run, such as the tick counter's name and frequency."""

    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Output:
    """One output tensor of one vector."""

    index: int
    tensor: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Ticks:
    """Ticks that the inference of one vector took."""

    index: int
    ticks: int


@dataclass(frozen=True, slots=True)
class Layer:
    """What one operator took and wrote; ``crc`` is that of the whole tensor."""

    index: int
    op: int
    tensor: int
    ticks: int
    crc: int


@dataclass(frozen=True, slots=True)
class Data:
    """A part of what one operator wrote, from byte ``offset``."""

    index: int
    op: int
    tensor: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Stack:
    """High-water mark of the application's stack."""

    bytes: int


@dataclass(frozen=True, slots=True)
class Done:
    """Last line of a run that went through."""

    vectors: int


@dataclass(frozen=True, slots=True)
class Fault:
    """Last line of a run that did not: its kind, and registers or values by name."""

    kind: str
    fields: Mapping[str, int]


Event = Hello | Info | Output | Ticks | Layer | Data | Stack | Done | Fault


def parse_line(line: str) -> Event | None:
    """The event of one line, without its end; ``None`` if it is not a TG line.

    Raises:
        ProtocolError: a TG line with an unknown word, malformed numbers or a wrong checksum.
    """
    words = line.strip().split()
    if not words or words[0] != "TG":
        return None
    parser = _PARSERS.get(words[1]) if len(words) > 1 else None
    if parser is None:
        raise ProtocolError(f"unknown TG line: {_shown(line)}")
    try:
        return parser(words[2:])
    except _ChecksumError as error:
        raise ProtocolError(f"checksum {error}: {_shown(line)}") from error
    except (ValueError, IndexError) as error:
        raise ProtocolError(f"malformed TG line: {_shown(line)}") from error


class _ChecksumError(ValueError):
    pass


def _shown(line: str) -> str:
    text = line.strip()
    return repr(text if len(text) <= 160 else f"{text[:120]}...{text[-30:]}")


def _number(word: str) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", word):
        raise ValueError(word)
    return int(word)


def _crc(word: str) -> int:
    match = re.fullmatch(r"crc=([0-9a-f]{8})", word)
    if match is None:
        raise ValueError(word)
    return int(match[1], 16)


def _checked(hex_word: str, crc_word: str) -> bytes:
    data = bytes.fromhex(hex_word)
    wanted, found = _crc(crc_word), zlib.crc32(data)
    if wanted != found:
        raise _ChecksumError(f"{found:08x} is not {wanted:08x}")
    return data


def _hello(words: list[str]) -> Hello:
    name, abi, vectors = words
    return Hello(name, _number(abi), _number(vectors))


def _info(words: list[str]) -> Info:
    return Info(dict(word.split("=", 1) for word in words))


def _output(words: list[str]) -> Output:
    index, tensor, data, crc = words
    return Output(_number(index), _number(tensor), _checked(data, crc))


def _ticks(words: list[str]) -> Ticks:
    index, ticks = words
    return Ticks(_number(index), _number(ticks))


def _layer(words: list[str]) -> Layer:
    index, op, tensor, ticks, crc = words
    return Layer(_number(index), _number(op), _number(tensor), _number(ticks), _crc(crc))


def _data(words: list[str]) -> Data:
    index, op, tensor, offset, data, crc = words
    return Data(_number(index), _number(op), _number(tensor), _number(offset), _checked(data, crc))


def _stack(words: list[str]) -> Stack:
    (count,) = words
    return Stack(_number(count))


def _done(words: list[str]) -> Done:
    (vectors,) = words
    return Done(_number(vectors))


def _fault(words: list[str]) -> Fault:
    fields = (word.split("=", 1) for word in words[1:])
    return Fault(words[0], {name: int(value, 16) for name, value in fields})


_PARSERS: Mapping[str, Callable[[list[str]], Event]] = {
    "hello": _hello,
    "info": _info,
    "out": _output,
    "ticks": _ticks,
    "layer": _layer,
    "data": _data,
    "stack": _stack,
    "done": _done,
    "fault": _fault,
}


class LineSplitter:
    """Cuts a stream of bytes into lines; what is not ASCII is shown as ``?``.

    Raises (from ``feed``):
        ProtocolError: a line does not end, as when a UART runs with the wrong speed.
    """

    def __init__(self) -> None:
        self._rest = ""

    def feed(self, chunk: bytes) -> list[str]:
        """The lines that are complete with these bytes."""
        text = self._rest + chunk.decode("ascii", errors="replace").replace("\ufffd", "?").replace("\x00", "")
        *lines, self._rest = text.split("\n")
        if len(self._rest) > LONGEST_LINE:
            raise ProtocolError(f"a line of more than {LONGEST_LINE} characters: {_shown(self._rest)}")
        return [line.rstrip("\r") for line in lines]
