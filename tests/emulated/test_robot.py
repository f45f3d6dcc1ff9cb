"""The Robot Framework keywords, over QEMU and, where it is installed, over Renode."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from support.fake_package import (
    DEEP_FUNCTION,
    DEEP_RECURSION,
    HANG,
    INPUT_BYTES,
    WRONG_OUTPUT,
    fake_interface,
    write_fake_package,
)
from support.firmware import needs_arm_gcc, needs_qemu, needs_renode
from support.sample_models import small_cnn

from tinygen.board import load_board
from tinygen.build import build_firmware
from tinygen.emulate import RunResult, write_emulation

pytest.importorskip("robot", reason="robotframework is not installed: pip install 'tinygen[dev]'")
pytestmark = needs_arm_gcc

SUITES = Path(__file__).parent.parent / "robot"
# A board for each kind of core that the emulator knows.
QEMU_BOARDS = ["stm32f4", "microbit", "mps2-an385", "mps2-an500", "mps2-an505", "mps3-an547", "hifive1"]
RENODE_BOARDS = ["stm32f4", "bluepill", "nrf52840", "nucleo-g071", "nucleo-h743zi", "rp2040", "hifive1"]
VECTORS = [np.arange(first, first + INPUT_BYTES, dtype=np.int8) for first in range(3)]
MISBEHAVIOUR: dict[str, dict[str, str]] = {
    "good": {},
    "wrong": {"invoke": WRONG_OUTPUT},
    # Not a bad address: Renode lets code read and write where there is nothing.
    "undefined": {"invoke": "__builtin_trap();"},
    "deep": {"invoke": DEEP_RECURSION, "extra": DEEP_FUNCTION},
    "hanging": {"invoke": HANG},
    "silent": {"extra": "__attribute__((constructor)) static void stop(void) { for (;;) { } }"},
}


@dataclass
class Given:
    """Stands in for the vectors of a build."""

    inputs: list[tuple[np.ndarray, ...]]


@dataclass
class Found:
    """Stands in for what came of them: nothing was run yet."""

    run: RunResult
    expected: list[tuple[np.ndarray, ...]]


def finished_build(folder: Path, board_name: str, work: Path, **misbehaviour: str) -> Path:
    """What ``tinygen build`` leaves, of a fake model that need not behave."""
    board, model = load_board(board_name), fake_interface()
    package = write_fake_package(work / "package", **misbehaviour)
    built = build_firmware(package, model, board, folder / "firmware", work_dir=work / "work")
    run = RunResult("none", "", "instructions", "", 0, (), 0, "", 0.0)
    found = Found(run, [(vector[::-1],) for vector in VECTORS])
    given = Given([(vector,) for vector in VECTORS])
    write_emulation(folder / "emulation", board, model, built.validate_elf, given, found)
    report = {"flash": {"total": built.sizes.flash_bytes}, "ram": {"total": built.sizes.ram_bytes(300)}}
    (folder / "report.json").write_text(json.dumps(report))
    return folder


def keyword_variables(folder: Path, board_name: str, undefined: str = "usage") -> list[str]:
    """Options for ``keywords.robot``; builds the firmware for each way to behave.

    Args:
        undefined: the kind of fault that an undefined instruction is.
    """
    cpu = load_board(board_name).cpu
    if shutil.which(f"{cpu.toolchain}-gcc") is None:
        pytest.skip(f"{cpu.toolchain}-gcc is not installed")
    for name, misbehaviour in MISBEHAVIOUR.items():
        finished_build(folder / "firmware" / name, board_name, folder / name, **misbehaviour)
    return ["--variable", f"FIRMWARE:{folder / 'firmware'}", "--variable", f"KIND:{undefined}"]


def check(command: list[str], cwd: Path) -> None:
    environment = {**os.environ, "TINYGEN": f"{sys.executable} -m tinygen"}
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment, timeout=900, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def robot(cwd: Path, suite: Path, *options: str) -> None:
    check([sys.executable, "-m", "robot", "--outputdir", str(cwd), *options, str(suite)], cwd)


@needs_qemu
@pytest.mark.parametrize("name", [QEMU_BOARDS[0], *(pytest.param(n, marks=pytest.mark.slow) for n in QEMU_BOARDS[1:])])
def test_keywords_over_qemu(tmp_path: Path, name: str) -> None:
    # A Cortex-M0 has hard faults only; Renode's models of it raise a Cortex-M3's.
    undefined = "hard" if load_board(name).cpu.core == "cortex-m0" else "usage"
    robot(tmp_path, SUITES / "keywords.robot", *keyword_variables(tmp_path, name, undefined))


@needs_qemu
def test_a_build_over_qemu(tmp_path: Path) -> None:
    (tmp_path / "small.tflite").write_bytes(small_cnn().build())
    robot(tmp_path, SUITES / "build.robot", "--variable", f"MODEL:{tmp_path / 'small.tflite'}")


@needs_qemu
def test_emitted_suite_stands_by_itself(tmp_path: Path) -> None:
    built = finished_build(tmp_path / "built", "stm32f4", tmp_path / "work")
    moved = built.rename(tmp_path / "elsewhere")
    robot(tmp_path, moved / "emulation" / "fake.robot")


@pytest.mark.slow
@needs_renode
@pytest.mark.parametrize("name", RENODE_BOARDS)
def test_keywords_over_renode(tmp_path: Path, name: str) -> None:
    suite = str(SUITES / "keywords.robot")
    check(["renode-test", suite, "-r", str(tmp_path), *keyword_variables(tmp_path, name)], tmp_path)


@pytest.mark.slow
@needs_renode
@pytest.mark.parametrize("name", RENODE_BOARDS)
def test_emitted_suites_over_renode(tmp_path: Path, name: str) -> None:
    toolchain = load_board(name).cpu.toolchain
    if shutil.which(f"{toolchain}-gcc") is None:
        pytest.skip(f"{toolchain}-gcc is not installed")
    built = finished_build(tmp_path / "built", name, tmp_path)
    check(["renode-test", "fake.robot", "-r", str(tmp_path)], built / "emulation")
