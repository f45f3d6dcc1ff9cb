"""Boards as data: the ones that come along, and sizes."""

from __future__ import annotations

import pytest

from tinygen.board import Board, board_names, load_board, parse_bytes
from tinygen.errors import BoardError
from tinygen.resources import BOARDS


@pytest.mark.parametrize("name", board_names())
def test_every_board_loads(name: str) -> None:
    board = load_board(name)
    assert board.name == name
    assert board.flash_bytes > 0
    assert board.ram_bytes > 0


def test_stm32f4_is_what_its_datasheet_says() -> None:
    board = load_board("stm32f4")
    assert (board.flash_bytes, board.ram_bytes) == (1024 * 1024, 128 * 1024)
    assert board.cpu.clock_hz == 168_000_000
    assert board.cpu.has_fpu
    assert "dsp" in board.cpu.features
    assert board.region("FLASH").wait_states == board.clock.settings["flash_wait_states"] == 5
    settings = board.clock.settings
    vco_hz = settings["hse_hz"] // settings["pll_m"] * settings["pll_n"]
    assert vco_hz // settings["pll_p"] == board.cpu.clock_hz
    assert vco_hz / settings["pll_q"] == 48_000_000
    assert list(board.emulators) == ["qemu", "renode", "unicorn"]


@pytest.mark.parametrize(
    ("name", "emulators"),
    [
        ("microbit", ["qemu", "unicorn"]),
        ("nrf52840", ["renode", "unicorn"]),
        ("mps3-an547", ["qemu"]),  # MVE
        ("hifive1", ["qemu", "renode"]),
        ("esp32c3", []),
    ],
)
def test_emulators_that_know_a_board(name: str, emulators: list[str]) -> None:
    assert list(load_board(name).emulators) == emulators


def test_a_board_file_of_ones_own(tmp_path) -> None:
    text = (BOARDS / "stm32f4" / "board.toml").read_text()
    (tmp_path / "mine.toml").write_text(text.replace('overlay = "renode.repl"\n', ""))
    board: Board = load_board(tmp_path / "mine.toml")
    assert board.path == tmp_path / "mine.toml"
    assert board.renode is not None
    assert board.renode.overlay == ""


def test_stack_in_another_region_counts_as_ram(tmp_path) -> None:
    text = (BOARDS / "stm32f4" / "board.toml").read_text()
    text = text.replace('stack = "SRAM"', 'stack = "CCM"').replace('overlay = "renode.repl"\n', "")
    (tmp_path / "ccm.toml").write_text(text)
    assert load_board(tmp_path / "ccm.toml").ram_bytes == 192 * 1024


def test_unknown_board_lists_close_names() -> None:
    with pytest.raises(BoardError, match="no board 'stm32f5'") as caught:
        load_board("stm32f5")
    assert "stm32f4" in caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "count"), [("64K", 65536), ("1M", 1 << 20), ("128 KiB", 131072), ("512", 512), (7, 7), ("2kb", 2048)]
)
def test_sizes(text: str | int, count: int) -> None:
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "K", "1.5K", "-1", "64G", "0x10"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_bytes(text)
