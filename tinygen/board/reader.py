"""From ``board.toml`` to a ``Board``.

A board file names drivers by the C files in ``firmware/drivers``; which settings a driver wants stands
in that file's comment as ``@setting name`` lines. A new board on known peripherals needs no Python.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Literal, cast

from tinygen.board.consumption import read_accelerator, read_power
from tinygen.board.facts import (
    Board,
    Clock,
    Cpu,
    Placement,
    Qemu,
    Region,
    Renode,
    Settings,
    Ticks,
    TicksUnit,
    Uart,
    Words,
)
from tinygen.board.table import Table
from tinygen.board.unicorn import unicorn_of
from tinygen.errors import BoardError
from tinygen.resources import BOARDS, FIRMWARE

__all__ = ["board_names", "load_board"]

SCHEMA = 1
BOARD_NAME = re.compile(r"[a-z][a-z0-9_-]*")
REGION_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
FEATURES = ("dsp", "fpu", "mve")
# A compiler's own library may call the C library, and that of mathematics both.
LIBRARIES = ("m", "c", "gcc")
TICKS_UNITS = ("instructions", "cycles", "time")
FLASH_PROGRAMS = ("pyocd", "openocd", "st-flash")
_SETTING = re.compile(r"^ \* @setting (\w+)", re.MULTILINE)


def board_names() -> list[str]:
    """Names of the boards that come with tinygen, sorted."""
    return sorted(path.parent.name for path in BOARDS.glob("*/board.toml"))


def load_board(name_or_path: str | Path) -> Board:
    """Read a board by its name, or from the user's own file.

    A path is what ends in ``.toml`` or contains a separator.

    Raises:
        BoardError: there is no such board or file, or the file has mistakes; all of them are listed,
            each with its key.
    """
    text = str(name_or_path)
    if text.endswith(".toml") or "/" in text or "\\" in text:
        return _read(Path(text))
    names = board_names()
    if text not in names:
        close = difflib.get_close_matches(text.lower(), names, n=3, cutoff=0.4)
        did_you_mean = f"Did you mean {' or '.join(close)}? " if close else ""
        raise BoardError(
            f"there is no board {text!r}",
            hint=f"{did_you_mean}Known are {', '.join(names)}; a file of your own is given by its path, "
            "such as ./my_board.toml.",
        )
    return _read(BOARDS / text / "board.toml")


def _read(path: Path) -> Board:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BoardError(f"{path}: can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BoardError(f"{path}: not a TOML file: {error}") from error
    if data.get("schema") != SCHEMA:
        raise BoardError(
            f"{path}: schema: {data.get('schema', 'missing')}; this tinygen reads schema {SCHEMA}",
            hint=f'Write "schema = {SCHEMA}" at the top of the file.',
        )
    root = Table(data)
    board = _board(root, path)
    if root.problems:
        raise BoardError(
            f"{path}: {_count(len(root.problems))} in the board's description",
            details=root.problems,
            hint="boards/stm32f4/board.toml shows every key.",
        )
    return board


def _count(mistakes: int) -> str:
    return "a mistake" if mistakes == 1 else f"{mistakes} mistakes"


def _board(root: Table, path: Path) -> Board:
    root.integer("schema")
    memory = tuple(_region(table) for table in root.tables("memory"))
    words = tuple(_words(table) for table in root.optional_tables("words"))
    _check_regions(root, memory)
    emulator = root.optional_table("emulator")
    qemu = emulator.optional_table("qemu") if emulator else None
    renode = emulator.optional_table("renode") if emulator else None
    board = Board(
        name=root.text("name", BOARD_NAME),
        title=root.text("title"),
        path=path,
        cpu=_cpu(root.table("cpu")),
        clock=_clock(root.table("clock")),
        memory=memory,
        words=words,
        placement=_placement(root.table("placement"), memory),
        uart=_uart(root.table("uart")),
        ticks=tuple(_ticks(table) for table in root.tables("ticks")),
        qemu=_qemu(qemu) if qemu else None,
        renode=_renode(renode, path.parent) if renode else None,
        power=read_power(root.optional_table("power")),
        accelerator=read_accelerator(root.optional_table("accelerator")),
        flash=_flash(root.optional_table("flash")),
    )
    for number, fixed in enumerate(board.words):
        _check_words(root, f"words[{number}].origin", fixed, board)
    root.finish()
    return board if root.problems else replace(board, unicorn=unicorn_of(board))


def _flash(table: Table | None) -> Mapping[str, str]:
    given = [name for name in FLASH_PROGRAMS if table is not None and table.has(name)]
    return {name: table.text(name) for name in given} if table is not None else {}


def _cpu(table: Table) -> Cpu:
    features = table.texts("features", default=())
    for feature in features:
        if feature not in FEATURES:
            table.problem("features", f"{feature!r} is not one of {', '.join(FEATURES)}")
    startups = [p.name for p in FIRMWARE.iterdir() if (p / "startup.c").is_file()]
    return Cpu(
        core=table.text("core"),
        startup=table.choice("startup", startups),
        toolchain=table.text("toolchain", re.compile(r"[A-Za-z0-9_.-]+")),
        flags=table.texts("flags"),
        libraries=table.texts("libraries", default=LIBRARIES),
        features=frozenset(features),
        clock_hz=table.integer("clock_hz", 1),
    )


def _region(table: Table) -> Region:
    region = Region(
        name=table.text("name", REGION_NAME),
        kind=cast(Literal["flash", "ram"], table.choice("kind", ("flash", "ram"))),
        origin=table.integer("origin"),
        bytes=table.size("size"),
        wait_states=table.integer("wait_states", 0, 255, default=0),
    )
    if region.end > 1 << 32:
        table.problem("size", f"the region ends at {region.end:#x}, behind the 4 GiB address space")
    return region


def _words(table: Table) -> Words:
    return Words(origin=table.integer("origin"), values=table.integers("values"))


def _check_words(root: Table, key: str, words: Words, board: Board) -> None:
    """They are part of the code's region; the linker would put them elsewhere without a word."""
    code = next((r for r in board.memory if r.name == board.placement.code), None)
    end = words.origin + 4 * len(words.values)
    if code is not None and not code.origin <= words.origin < end <= code.end:
        root.problem(key, f"{words.origin:#x} lies outside {code.name}, where code is placed")


def _check_regions(root: Table, memory: tuple[Region, ...]) -> None:
    for first, second in combinations(memory, 2):
        if first.name == second.name:
            root.problem("memory", f"two regions are named {first.name}")
        elif first.origin < second.end and second.origin < first.end:
            root.problem("memory", f"{first.name} and {second.name} overlap")


def _placement(table: Table, memory: tuple[Region, ...]) -> Placement:
    def region(key: str, kind: str) -> str:
        return table.choice(key, [r.name for r in memory if r.kind == kind])

    code = region("code", "flash")
    return Placement(
        code=code,
        constants=region("constants", "flash") if table.has("constants") else code,
        data=region("data", "ram"),
        stack=region("stack", "ram"),
    )


def _driver(table: Table, kind: str) -> tuple[str, Settings]:
    """The driver's name, and the settings that its source asks for."""
    sources = {path.stem: path for path in sorted((FIRMWARE / "drivers" / kind).glob("*.c"))}
    name = table.choice("driver", sources.keys())
    wanted = _SETTING.findall(sources[name].read_text(encoding="utf-8")) if name in sources else []
    if not wanted and name in sources:
        given = table.optional_table("settings")
        return name, given.settings(()) if given else {}
    return name, table.table("settings").settings(wanted)


def _clock(table: Table) -> Clock:
    return Clock(*_driver(table, "clock"))


def _uart(table: Table) -> Uart:
    driver, settings = _driver(table, "uart")
    return Uart(driver=driver, baud=table.integer("baud", 300, 10_000_000), settings=settings)


def _ticks(table: Table) -> Ticks:
    return Ticks(*_driver(table, "ticks"))


def _qemu(table: Table) -> Qemu:
    return Qemu(
        program=table.text("program", re.compile(r"qemu-system-\w+")),
        machine=table.text("machine"),
        serial=table.integer("serial", 0, 15, default=0),
        args=table.texts("args", default=()),
        ticks=cast(TicksUnit, table.choice("ticks", TICKS_UNITS)),
    )


def _renode(table: Table, folder: Path) -> Renode:
    overlay = table.text("overlay", default="")
    platform = table.text("platform", default="")
    if not overlay and not platform:
        table.problem("platform", "is missing; without it, overlay must be a whole description")
    text = ""
    if overlay:
        try:
            text = (folder / overlay).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            table.problem("overlay", f"{overlay}: can't be read: {error}")
    return Renode(
        platform=platform,
        overlay=text,
        cpu=table.text("cpu", default="sysbus.cpu"),
        uart=table.text("uart", re.compile(r"sysbus\.\w+")),
        ticks=cast(TicksUnit, table.choice("ticks", TICKS_UNITS)),
        mips=table.integer("mips", 0, 100_000, default=0),
    )
