"""How Unicorn knows a board: by its core's name, and by what the drivers that the board names say of their registers.

Unicorn has cores and memory, but no peripherals. A driver's comment in ``firmware/drivers`` says in ``@model`` lines
which of its registers matter. All others read 0, as with clock trees in QEMU. Addresses are the driver's settings, with
or without an offset, or numbers:

    @model send base+0x04                a byte that is written here leaves on the UART
    @model send_from base+0x544 base+0x008   … or by DMA: the address of the byte; the register that starts it
    @model read base+0x00 0xC0           reads as this value: "ready"
    @model count base+0x24               counts instructions, 32 bits wide
    @model count_down base+0x04          … downwards
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from tinygen.board.facts import Board, Settings, Unicorn
from tinygen.errors import BoardError
from tinygen.resources import FIRMWARE

__all__ = ["CORES", "Kind", "Model", "models_of", "unicorn_of"]

# Core -> name of Unicorn's model of it. It has none with MVE; M0+ runs M0's instructions.
CORES: Mapping[str, str] = {
    "cortex-m0": "UC_CPU_ARM_CORTEX_M0",
    "cortex-m0plus": "UC_CPU_ARM_CORTEX_M0",
    "cortex-m0+": "UC_CPU_ARM_CORTEX_M0",
    "cortex-m3": "UC_CPU_ARM_CORTEX_M3",
    "cortex-m4": "UC_CPU_ARM_CORTEX_M4",
    "cortex-m7": "UC_CPU_ARM_CORTEX_M7",
    "cortex-m33": "UC_CPU_ARM_CORTEX_M33",
}

Kind = Literal["send", "send_from", "read", "count", "count_down"]
_OPERANDS: dict[Kind, int] = {"send": 1, "send_from": 2, "read": 2, "count": 1, "count_down": 1}
_LINE = re.compile(r"^ \* @model (.+)$", re.MULTILINE)
_OPERAND = re.compile(r"(?:([a-z]\w*)|(0x[0-9A-Fa-f]+))(?:\+(0x[0-9A-Fa-f]+))?")


@dataclass(frozen=True, slots=True)
class Model:
    """A register that does something; ``value`` is what it reads, or the second address."""

    kind: Kind
    address: int
    value: int = 0


def models_of(board: Board) -> tuple[Model, ...]:
    """The registers of a board's UART and counters.

    Raises:
        BoardError: a driver's ``@model`` line can't be read.
    """
    drivers = [("uart", board.uart.driver, board.uart.settings)]
    drivers += [("ticks", ticks.driver, ticks.settings) for ticks in board.ticks]
    return tuple(model for kind, name, settings in drivers for model in _models(kind, name, settings))


def unicorn_of(board: Board) -> Unicorn | None:
    """How Unicorn knows the board; ``None`` without models of its core and its UART."""
    core = CORES.get(board.cpu.core)
    can_send = any(model.kind.startswith("send") for model in models_of(board))
    return Unicorn(core) if core is not None and can_send else None


def _models(kind: str, name: str, settings: Settings) -> Iterator[Model]:
    source = FIRMWARE / "drivers" / kind / f"{name}.c"
    for line in _LINE.findall(source.read_text(encoding="utf-8")):
        what, *operands = line.split()
        if len(operands) != _OPERANDS.get(what):
            raise BoardError(f"{source.name}: @model {line}: not a known line with its operands")
        yield Model(cast(Kind, what), *(_number(word, settings, f"{source.name}: @model {line}") for word in operands))


def _number(word: str, settings: Settings, where: str) -> int:
    match = _OPERAND.fullmatch(word)
    if match is None or (match[1] and match[1] not in settings):
        raise BoardError(f"{where}: {word} is no address")
    return (settings[match[1]] if match[1] else int(match[2], 16)) + int(match[3] or "0", 16)
