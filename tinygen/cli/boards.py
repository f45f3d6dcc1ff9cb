"""``tinygen boards``."""

from __future__ import annotations

import json
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from tinygen.board import Board, board_names, format_bytes, load_board
from tinygen.cli.console import console

__all__ = ["list_boards", "show_board"]

_WIDE = 110


def list_boards(*, as_json: bool) -> None:
    """All boards in a table."""
    boards = [load_board(name) for name in board_names()]
    if as_json:
        click.echo(json.dumps([_plain(board) for board in boards], indent=2))
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    # On a narrow terminal titles wrap, and emulators stand below each other.
    screen = console()
    separator = ", " if screen.width >= _WIDE else "\n"
    table.add_column("board", no_wrap=True)
    table.add_column("title")
    table.add_column("core", no_wrap=True)
    for title in ("flash", "RAM", "MHz"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("emulators", no_wrap=True)
    for board in boards:
        table.add_row(
            board.name,
            board.title,
            board.cpu.core,
            f"{board.flash_bytes // 1024}K",
            f"{board.ram_bytes // 1024}K",
            f"{board.cpu.clock_hz / 1e6:g}",
            separator.join(board.emulators) or "none",
        )
    screen.print(table)


def show_board(name: str, *, as_json: bool) -> None:
    """One board, fact by fact."""
    board = load_board(name)
    if as_json:
        click.echo(json.dumps(_plain(board), indent=2))
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column()
    cpu = board.cpu
    table.add_row("title", board.title)
    table.add_row("core", f"{cpu.core} at {cpu.clock_hz / 1e6:g} MHz ({', '.join(sorted(cpu.features)) or 'plain'})")
    for region in board.memory:
        waits = f", {region.wait_states} wait states" if region.wait_states else ""
        table.add_row(region.name, f"{region.kind}, {format_bytes(region.bytes)} at 0x{region.origin:08x}{waits}")
    table.add_row(
        "placement", f"code {board.placement.code}, data {board.placement.data}, stack {board.placement.stack}"
    )
    table.add_row("UART", f"{board.uart.driver}, {board.uart.baud} baud")
    table.add_row("ticks", ", ".join(t.driver for t in board.ticks))
    table.add_row("emulators", ", ".join(board.emulators) or "none")
    table.add_row("current", _current(board))
    table.add_row("file", str(board.path))
    console().print(table)


def _current(board: Board) -> str:
    power = board.power
    if power is None:
        return "not known: no energy is estimated"
    drawn = f"{power.run_current_ua / 1e3:g} mA at {power.voltage_mv / 1e3:g} V and {power.clock_hz / 1e6:g} MHz"
    return f"{drawn}: {power.condition} ({power.source})"


def _plain(value: Any) -> Any:
    """Dataclasses, paths and sets as JSON can hold them."""
    if is_dataclass(value) and not isinstance(value, type):
        return {key: _plain(inner) for key, inner in _fields(value).items()}
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value


def _fields(board: Any) -> dict[str, Any]:
    if isinstance(board, Board):
        shallow = {name: getattr(board, name) for name in board.__slots__ if name != "path"}
        return {name: _plain(inner) for name, inner in shallow.items()}
    return {name: (dict(v) if hasattr(v := getattr(board, name), "items") else v) for name in board.__slots__}
