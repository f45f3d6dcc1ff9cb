"""Boards as data: what ``boards/<name>/board.toml`` says, read and checked."""

from tinygen.board.consumption import Accelerator, Power
from tinygen.board.facts import (
    Board,
    Clock,
    Cpu,
    Emulator,
    Placement,
    Qemu,
    Region,
    Renode,
    Settings,
    Ticks,
    TicksUnit,
    Uart,
    Unicorn,
    Words,
)
from tinygen.board.reader import board_names, load_board
from tinygen.board.table import format_bytes, parse_bytes

__all__ = [
    "Accelerator",
    "Board",
    "Clock",
    "Cpu",
    "Emulator",
    "Placement",
    "Power",
    "Qemu",
    "Region",
    "Renode",
    "Settings",
    "Ticks",
    "TicksUnit",
    "Uart",
    "Unicorn",
    "Words",
    "board_names",
    "format_bytes",
    "load_board",
    "parse_bytes",
]
