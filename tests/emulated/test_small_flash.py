"""A board with less flash than the forms that are usually chosen take: smaller ones, without --flash."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.cli import Finished, tinygen
from support.firmware import needs_arm_gcc, needs_qemu

from tinygen.resources import BOARDS

pytestmark = [needs_arm_gcc, needs_qemu]

DIGITS = Path(__file__).resolve().parents[1] / "models" / "digits_int8.tflite"


def build(folder: Path, board: str, *arguments: str) -> Finished:
    return tinygen("build", DIGITS, "--board", board, "--no-cycles", "--json", *arguments, cwd=folder)


def small_board(folder: Path, flash_bytes: int) -> str:
    """An STM32F4 with so little flash."""
    shutil.copytree(BOARDS / "stm32f4", folder / "small")
    path = folder / "small" / "board.toml"
    text = path.read_text().replace('size = "1M"', f"size = {flash_bytes}", 1)
    path.write_text(text.replace('name = "stm32f4"', 'name = "small"', 1))
    return "small/board.toml"


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    done = build(tmp_path_factory.mktemp("usual"), "stm32f4")
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_other_forms_are_chosen_until_all_images_fit(usual: dict[str, Any], tmp_path: Path) -> None:
    flash_bytes = usual["flash"]["total"] - 256 & ~15
    done = build(tmp_path, small_board(tmp_path, flash_bytes))
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert report["validation"]["bit_exact"]
    assert report["flash"]["total"] <= report["flash"]["limit"] == flash_bytes
    forms, before = ([layer["form"] for layer in r["layers"]] for r in (report, usual))
    assert forms != before


def test_what_no_form_helps_is_over_budget(tmp_path: Path) -> None:
    done = build(tmp_path, small_board(tmp_path, 5 * 1024))
    assert done.code == 3
    error = json.loads(done.out)
    assert "does not fit small: FLASH needs" in error["message"]
    assert not (tmp_path / "out").exists()
