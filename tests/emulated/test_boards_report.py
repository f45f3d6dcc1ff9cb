"""`make boards`: its page, and boards on which a model does not fit."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.firmware import needs_arm_gcc, needs_qemu
from support.shared import model_file

from tinygen.resources import BOARDS

pytestmark = [needs_arm_gcc, needs_qemu, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
SMALL_MODEL = ROOT / "tests" / "models" / "digits_int8.tflite"


def small_board(folder: Path, ram: str) -> Path:
    """A micro:bit that has lost some of its 16 KiB of RAM."""
    text = (BOARDS / "microbit" / "board.toml").read_text()
    text, count = re.subn(r'size = "16K"', f'size = "{ram}"', text)
    assert count == 1
    path = folder / "board.toml"
    path.write_text(text.replace('name = "microbit"', 'name = "small"'))
    return path


def report(board: str | Path, model: Path, larger: Path) -> tuple[int, list[list[str]], list[list[str]]]:
    """The script's exit code, and the rows of both tables: of the model, and of boards too small for the larger one."""
    command = [sys.executable, ROOT / "scripts" / "boards_report.py", "--boards", board, "--out", "-"]
    done = subprocess.run(
        [*command, "--model", model, "--larger", larger], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.stdout.startswith("# Boards"), done.stderr[-2000:]
    return done.returncode, *(_rows(part) for part in f"{done.stdout}## ".split("## ")[:2])


def _rows(part: str) -> list[list[str]]:
    lines = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("| ")]
    return lines[1:]


def test_a_board_too_small_runs_the_digits_example_instead(tmp_path: Path) -> None:
    kws = model_file("kws")
    code, *tables = report(small_board(tmp_path, "8K"), kws, kws)
    assert code == 0
    for ((name, _, flash, ram, model, flash_used, ram_used, instructions, _, emulator, exactness),) in tables:
        assert (name, flash, ram, model, emulator) == ("small", "256K", "8K", "digits_int8", "qemu")
        assert exactness.startswith(
            "bit-exact, 3 vectors; instead of kws_int8, exit 3: kws_int8.elf does not fit small"
        )
        needed, available, more = (int(n.replace(",", "")) for n in re.findall(r"[\d,]*\d{3}\b", exactness))
        assert available == 8192 and needed == available + more
        assert 0 < int(ram_used.replace(",", "")) < 8192 and int(flash_used.replace(",", "")) > 10_000
        assert int(instructions.replace(",", "")) > 100_000


def test_too_small_for_the_digits_example_as_well(tmp_path: Path) -> None:
    """Nothing runs: the row says so, and so does the exit code."""
    kws = model_file("kws")
    code, table, _ = report(small_board(tmp_path, "2K"), kws, kws)
    assert code == 4
    ((*_, instructions, _, _, exactness),) = table
    assert instructions == ""
    assert exactness.startswith("exit 3: digits_int8.elf does not fit small: RAM needs")


def test_boards_that_are_large_enough_for_the_larger_model(tmp_path: Path) -> None:
    code, table, too_small = report("mps2-an386", SMALL_MODEL, model_file("kws"))
    assert (code, too_small) == (0, [])
    assert [(row[0], row[4], row[-1]) for row in table] == [("mps2-an386", "digits_int8", "bit-exact, 3 vectors")]


def test_boards_of_ours_that_are_too_small_for_visual_wake_words() -> None:
    code, table, too_small = report("microbit,mps2-an385", SMALL_MODEL, model_file("vww"))
    assert code == 0
    assert [row[0] for row in table] == ["microbit", "mps2-an385"]
    assert [(row[0], row[4]) for row in too_small] == [("microbit", "digits_int8")]
    assert "exit 3: vww_96_int8.elf does not fit microbit: RAM needs" in too_small[0][-1]
