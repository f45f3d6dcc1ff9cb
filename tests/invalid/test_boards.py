"""One mistake in a board file for each message, and several at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinygen.board import load_board
from tinygen.errors import BoardError
from tinygen.resources import BOARDS

GOOD = (BOARDS / "stm32f4" / "board.toml").read_text(encoding="utf-8").replace('overlay = "renode.repl"\n', "")

MISTAKES = {
    "missing key": ("baud = 115_200\n", "", "uart.baud: is missing"),
    "missing table": ('[placement]\ncode = "FLASH"\ndata = "SRAM"\nstack = "SRAM"\n', "", "placement: is missing"),
    "misspelt key": ("baud = 115_200", "baud = 115_200\nbuad = 1", "uart.buad: unknown key; did you mean baud?"),
    "unknown table": ("[placement]\ncode", "[pin]\na = 1\n[placement]\ncode", "pin: unknown key"),
    "wrong type": ("baud = 115_200", 'baud = "fast"', "uart.baud: 'fast' is not a whole number"),
    "boolean for a number": ("serial = 1", "serial = true", "emulator.qemu.serial: True is not a whole number"),
    "outside its range": ("baud = 115_200", "baud = 3", "uart.baud: 3 lies outside 300 to"),
    "no size": ('size = "128K"', 'size = "lots"', "memory[1].size: 'lots' is not a size"),
    "zero size": ('size = "128K"', "size = 0", "memory[1].size: 0 is not a size"),
    "unknown driver": ('driver = "stm32_usart_v1"', 'driver = "stm32_usart_v3"', "did you mean stm32_usart_v"),
    "missing setting": ("tx_af = 7", "", "uart.settings.tx_af: is missing"),
    "unknown setting": (
        "tx_af = 7",
        "tx_af = 7\nrx_pin = 3",
        "uart.settings.rx_pin: unknown key; did you mean tx_pin?",
    ),
    "unknown kind": ('kind = "flash"', 'kind = "rom"', "memory[0].kind: 'rom' is not one of flash, ram"),
    "overlap": ("origin = 0x1000_0000", "origin = 0x2001_0000", "memory: SRAM and CCM overlap"),
    "twice the same name": ('name = "CCM"', 'name = "SRAM"', "memory: two regions are named SRAM"),
    "behind the end": ("origin = 0x1000_0000", "origin = 0xffff_fff0", "memory[2].size: the region ends at"),
    "code in RAM": ('code = "FLASH"', 'code = "SRAM"', "placement.code: 'SRAM' is not one of FLASH"),
    "bad name": ('name = "stm32f4"', 'name = "STM 32"', "name: 'STM 32' has not the form"),
    "unknown feature": ('features = ["dsp", "fpu"]', 'features = ["simd"]', "cpu.features: 'simd' is not one of"),
    "flags are no list": ('flags = ["-mcpu', 'flags = "-O2" # ["-mcpu', "cpu.flags: '-O2' is not a list"),
    "unknown start-up": ('startup = "cortex_m"', 'startup = "avr"', "cpu.startup: 'avr' is not one of"),
    "missing overlay": ('cpu = "sysbus.cpu"', 'overlay = "no.repl"', "emulator.renode.overlay: no.repl: can't be read"),
    "constants nowhere": (
        'code = "FLASH"',
        'code = "FLASH"\nconstants = "SRAM"',
        "placement.constants: 'SRAM' is not one of",
    ),
    "words that are none": (
        "[placement]\ncode",
        "[[words]]\norigin = 0x0800_0400\nvalues = [-1]\n[placement]\ncode",
        "words[0].values: is not a list of 32-bit numbers",
    ),
    "words outside": (
        "[placement]\ncode",
        "[[words]]\norigin = 0x2000_0000\nvalues = [1]\n[placement]\ncode",
        "words[0].origin: 0x20000000 lies outside FLASH, where code is placed",
    ),
    "neither platform nor overlay": (
        'platform = "platforms/boards/stm32f4_discovery-kit.repl"\n',
        "",
        "emulator.renode.platform: is missing; without it, overlay must be",
    ),
    "unknown emulator": ("[emulator.qemu]", "[emulator.bochs]\na = 1\n[emulator.qemu]", "emulator.bochs: unknown key"),
}


@pytest.mark.parametrize(("old", "new", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_named_with_its_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    path = tmp_path / "board.toml"
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(BoardError) as caught:
        load_board(path)
    assert any(message in line for line in caught.value.details), caught.value.details
    assert str(path) in caught.value.message
    assert caught.value.exit_code == 2


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    text = GOOD
    for name in ("missing key", "no size", "unknown kind", "misspelt key"):
        old, new, _ = MISTAKES[name]
        text = text.replace(old, new, 1)
    (tmp_path / "board.toml").write_text(text.replace("serial = 1", "serial = 1\nbuad = 1"), encoding="utf-8")
    with pytest.raises(BoardError) as caught:
        load_board(tmp_path / "board.toml")
    assert len(caught.value.details) >= 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"schema = ", "not a TOML file"),
        (b"\xff\xfe", "not a TOML file"),
        (b"schema = 2\n", "reads schema 1"),
        (b"", "schema"),
    ],
)
def test_files_that_are_no_board(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "board.toml").write_bytes(content)
    with pytest.raises(BoardError, match=message):
        load_board(tmp_path / "board.toml")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BoardError, match="can't be read"):
        load_board(tmp_path / "none.toml")
