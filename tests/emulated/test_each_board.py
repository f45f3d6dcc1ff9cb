"""Each board that comes along, on each installed emulator that knows it; and faults on other cores than the M4."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from support.cli import tinygen
from support.fake_package import (
    BAD_ADDRESS,
    DEEP_FUNCTION,
    DEEP_RECURSION,
    HANG,
    INPUT_BYTES,
    WRONG_OUTPUT,
    fake_interface,
    write_fake_package,
)
from support.shared import model_file

from tinygen.board import Board, board_names, load_board
from tinygen.build import BuildResult, build_firmware
from tinygen.emulate import QemuEmulator, RenodeEmulator, RunResult, run_vectors
from tinygen.errors import MismatchError, TinygenError, ToolError

BOARDS = {name: load_board(name) for name in board_names()}
VECTORS = [bytes(range(first, first + INPUT_BYTES)) for first in range(3)]
SECONDS = 2.0


def needs(board: Board, emulator: str | None) -> None:
    """Skip unless the board's compiler and the emulator are installed."""
    programs = [f"{board.cpu.toolchain}-gcc"]
    if emulator == "qemu":
        assert board.qemu is not None
        programs.append(board.qemu.program)
    elif emulator == "renode":
        programs.append("renode-test")
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


def build(folder: Path, board: Board, **misbehaviour: str) -> BuildResult:
    package = write_fake_package(folder / "package", **misbehaviour)
    return build_firmware(package, fake_interface(), board, folder / "out", work_dir=folder / "work")


def run_on_qemu(built: BuildResult, board: Board, seconds: float = SECONDS) -> RunResult:
    return run_vectors(QemuEmulator(board), board, built.validate_elf, fake_interface(), VECTORS, seconds=seconds)


@pytest.mark.parametrize("name", [name for name, board in BOARDS.items() if board.qemu])
def test_each_board_in_qemu(tmp_path: Path, name: str) -> None:
    board = BOARDS[name]
    needs(board, "qemu")
    result = run_on_qemu(build(tmp_path, board), board)
    assert [outputs[0] for outputs in result.outputs] == [vector[::-1] for vector in VECTORS]
    assert result.ticks_unit == "instructions"
    assert 150 <= result.ticks_per_inference < 450  # two loops of 24 rounds; a timer's tick may be 62 instructions
    assert 0 < result.stack_bytes < 400


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, board in BOARDS.items() if board.renode])
def test_each_board_in_renode(tmp_path: Path, name: str) -> None:
    board = BOARDS[name]
    needs(board, "renode")
    elf = build(tmp_path, board).validate_elf
    result = run_vectors(RenodeEmulator(board), board, elf, fake_interface(), VECTORS)
    assert [outputs[0] for outputs in result.outputs] == [vector[::-1] for vector in VECTORS]
    assert result.ticks_unit == "instructions"
    assert 100 <= result.ticks_per_inference < 600  # a tick may be 48 instructions


@pytest.mark.slow
@pytest.mark.parametrize("name", ["microbit", "mps2-an385", "mps2-an500", "mps2-an505", "mps3-an547", "hifive1"])
def test_keyword_spotting_on_each_core(tmp_path: Path, name: str) -> None:
    needs(BOARDS[name], "qemu")
    done = tinygen("build", model_file("kws"), "-b", name, "--emulator", "qemu", "--vectors", "2", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "bit-exact" in done.out


@pytest.mark.slow
def test_a_board_too_small_says_so(tmp_path: Path) -> None:
    needs(BOARDS["microbit"], "qemu")
    done = tinygen("build", model_file("vww"), "-b", "microbit", cwd=tmp_path)
    assert done.code == 3, done.err
    assert re.search(r"RAM needs [\d,]+ of 16,384 bytes", done.err)


def test_a_board_that_no_emulator_knows_is_built(tmp_path: Path) -> None:
    board = BOARDS["esp32c3"]
    needs(board, None)
    with build(tmp_path, board).elf.open("rb") as stream:
        image = ELFFile(stream)
        start = image.get_section_by_name(".vectors")
        constants = image.get_section_by_name(".rodata")
        assert start.data()[:8] == bytes.fromhex("1d04dbae") * 2
        assert image["e_entry"] == 0x4200_0008
        assert 0x3C20_0000 <= constants["sh_addr"] < 0x3C40_0000
        loaded = {s["p_paddr"] >> 24 for s in image.iter_segments() if s["p_type"] == "PT_LOAD" and s["p_filesz"]}
    assert loaded <= {0x42, 0x3C}


def test_words_at_fixed_places(tmp_path: Path) -> None:
    needs(BOARDS["k64f"], None)
    with build(tmp_path, BOARDS["k64f"]).elf.open("rb") as stream:
        start = ELFFile(stream).get_section_by_name(".vectors")
        assert start["sh_addr"] == 0
        assert start.data()[0x400:] == b"\xff" * 12 + b"\xfe\xff\xff\xff"


def test_boot_code_of_the_rp2040_passes_its_rom(tmp_path: Path) -> None:
    """The ROM starts 252 bytes whose CRC-32, bits not reflected, is the word behind them."""
    needs(BOARDS["rp2040"], None)
    with build(tmp_path, BOARDS["rp2040"]).elf.open("rb") as stream:
        data = ELFFile(stream).get_section_by_name(".vectors").data()

    def mirrored(value: int, bits: int) -> int:
        return int(f"{value:0{bits}b}"[::-1], 2)

    # zlib's CRC is the same one with reflected bits and inverted at the end.
    reflected = zlib.crc32(bytes(mirrored(byte, 8) for byte in data[:252])) ^ 0xFFFFFFFF
    assert mirrored(reflected, 32) == int.from_bytes(data[252:256], "little")
    stack_top, reset = (int.from_bytes(data[at : at + 4], "little") for at in (256, 260))
    assert stack_top == BOARDS["rp2040"].region("SRAM").end
    assert 0x1000_0100 < reset < 0x1000_4000


FAULTS = {
    "bad address": ({"invoke": BAD_ADDRESS}, {"microbit": "hard fault", "hifive1": "bus fault"}, r"in fake_invoke\(\)"),
    "trap": (
        {"invoke": "__builtin_trap();"},
        {"microbit": "hard fault", "hifive1": "usage fault"},
        r"in fake_invoke\(\)",
    ),
    "stack overflow": (
        {"invoke": DEEP_RECURSION, "extra": DEEP_FUNCTION},
        {"microbit": "the stack overflowed", "hifive1": "the stack overflowed"},
        r"fake_deep\(\)",
    ),
    "hang": (
        {"invoke": HANG},
        {"microbit": "the firmware hangs", "hifive1": "the firmware hangs"},
        "before the first vector",
    ),
}


@pytest.mark.parametrize("name", ["microbit", "hifive1"])
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_other_cores(tmp_path: Path, name: str, fault: str) -> None:
    board = BOARDS[name]
    needs(board, "qemu")
    misbehaviour, messages, where = FAULTS[fault]
    built = build(tmp_path, board, **misbehaviour)
    begun = time.monotonic()
    with pytest.raises(MismatchError) as caught:
        run_on_qemu(built, board)
    assert time.monotonic() - begun < SECONDS + 3
    assert messages[name] in caught.value.message
    assert re.search(where, caught.value.message)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("name", ["microbit", "hifive1"])
def test_wrong_outputs_and_silence_of_other_cores(tmp_path: Path, name: str) -> None:
    board = BOARDS[name]
    needs(board, "qemu")
    assert board.qemu is not None
    built = build(tmp_path, board, invoke=WRONG_OUTPUT)
    outputs = run_on_qemu(built, board).outputs
    assert all(got[0] != vector[::-1] for got, vector in zip(outputs, VECTORS, strict=True))
    deaf = replace(board, qemu=replace(board.qemu, serial=1))
    with pytest.raises(ToolError, match="stayed silent for 1 s"):
        run_on_qemu(built, deaf, seconds=1.0)


def test_a_core_that_locks_up(tmp_path: Path) -> None:
    """A fault whose frame can't be stored either: the Cortex-M0 stops, and QEMU with it."""
    board = BOARDS["microbit"]
    needs(board, "qemu")
    lost = '__asm__ volatile("mov sp, %0" ::"r"(0x60000000)); *(volatile uint32_t *)0x60000000u = 1u;'
    with pytest.raises(TinygenError) as caught:
        run_on_qemu(build(tmp_path, board, invoke=lost), board)
    assert isinstance(caught.value, MismatchError)
    assert re.search("locked up|stack overflowed", caught.value.message)


HANGING = """
import sys
from pathlib import Path
from tinygen.board import load_board
from tinygen.emulate import QemuEmulator, run_vectors
from support.fake_package import fake_interface
board = load_board("stm32f4")
print("ready", flush=True)
run_vectors(QemuEmulator(board), board, Path(sys.argv[1]), fake_interface(), [bytes(24)], seconds=60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_no_emulator_outlives_a_killed_tinygen(tmp_path: Path) -> None:
    board = BOARDS["stm32f4"]
    needs(board, "qemu")
    elf = build(tmp_path, board, invoke=HANG).validate_elf
    elf = elf.rename(elf.with_name(f"outlived-{os.getpid()}.elf"))

    def emulators() -> list[str]:
        commands = (path / "cmdline" for path in Path("/proc").iterdir() if path.name.isdigit())
        found = []
        for command in commands:
            try:
                text = command.read_text()
            except OSError:  # it has ended
                continue
            if "-kernel" in text and elf.name in text:
                found.append(text)
        return found

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", HANGING, str(elf)], env=environment, stdout=subprocess.PIPE)
    try:
        wait_until(lambda: len(emulators()) == 1, "QEMU did not start")
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    wait_until(lambda: not emulators(), "QEMU lives on")


def wait_until(condition: object, otherwise: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if condition():  # type: ignore[operator]
            return
        time.sleep(0.05)
    pytest.fail(otherwise)
