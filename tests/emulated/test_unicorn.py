"""Firmware of a fake model in Unicorn: the same results and counts as in QEMU, and every failure by its name."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.fake_package import (
    BAD_ADDRESS,
    DEEP_FUNCTION,
    DEEP_RECURSION,
    HANG,
    INPUT_BYTES,
    fake_interface,
    write_fake_package,
)
from tests.support.firmware import needs_arm_gcc, needs_qemu
from tests.support.rootless import needs_unicorn, needs_zig
from tinygen.board import Board, Ticks, board_names, load_board
from tinygen.build import BuildResult, build_firmware
from tinygen.emulate import QemuEmulator, RunResult, UnicornEmulator, run_vectors
from tinygen.errors import MismatchError, OptionError, TinygenError

pytestmark = [needs_zig, needs_unicorn]

SECONDS = 5.0
VECTORS = [bytes((i * k) & 0xFF for k in range(INPUT_BYTES)) for i in range(5)]
KNOWN = [name for name in board_names() if load_board(name).unicorn]


def build(folder: Path, board: Board, toolchain: str = "zig", **misbehaviour: str) -> BuildResult:
    package = write_fake_package(folder / "package", **misbehaviour)
    out, work = folder / "out", folder / "work"
    return build_firmware(package, fake_interface(), board, out, work_dir=work, toolchain=toolchain)  # type: ignore[arg-type]


def run(elf: Path, board: Board, **options: object) -> RunResult:
    options.setdefault("seconds", SECONDS)
    return run_vectors(UnicornEmulator(board), board, elf, fake_interface(), VECTORS, **options)  # type: ignore[arg-type]


def failure(folder: Path, board: Board, **misbehaviour: str) -> TinygenError:
    built = build(folder, board, **misbehaviour)
    started = time.monotonic()
    with pytest.raises(TinygenError) as caught:
        run(built.validate_elf, board)
    assert time.monotonic() - started < SECONDS + 5
    return caught.value


@pytest.mark.parametrize("name", KNOWN)
def test_every_board_with_a_model(tmp_path: Path, name: str) -> None:
    board = load_board(name)
    result = run(build(tmp_path, board).validate_elf, board, seconds=30.0)
    assert [outputs[0] for outputs in result.outputs] == [vector[::-1] for vector in VECTORS]
    assert len({vector.ticks for vector in result.vectors}) == 1
    assert 150 < result.ticks_per_inference < 500
    assert 32 <= result.stack_bytes < 300
    assert (result.emulator, result.ticks_unit) == ("unicorn", "instructions")


@needs_arm_gcc
@needs_qemu
@pytest.mark.parametrize("toolchain", ["gcc", "zig"])
def test_counts_are_those_of_qemu(tmp_path: Path, toolchain: str) -> None:
    """The fake model branches, calls and skips by condition; the timer that QEMU counts with is exact."""
    board = load_board("stm32f4")
    invoke = "for (volatile int i = 0; i < 1000; ++i) { output[i % 24] = (int8_t)(i & 4 ? i / 3 : input[i % 24]); }"
    built = build(tmp_path, board, toolchain, invoke=invoke)
    ours, theirs = (
        run_vectors(emulator, board, built.validate_elf, fake_interface(), VECTORS, seconds=SECONDS)
        for emulator in (UnicornEmulator(board), QemuEmulator(board))
    )
    assert [v.ticks for v in ours.vectors] == [v.ticks for v in theirs.vectors]
    assert ours.outputs == theirs.outputs
    assert ours.stack_bytes == theirs.stack_bytes


def test_layers(tmp_path: Path) -> None:
    board = load_board("stm32f4")
    built = build(tmp_path, board)
    assert built.profile_elf is not None
    (vector, *_) = run(built.profile_elf, board, layers=True).vectors
    assert [layer.op for layer in vector.layers] == [3, 4]
    assert all(50 < layer.ticks < 300 for layer in vector.layers)


def test_systick_counts_past_its_24_bits(tmp_path: Path) -> None:
    board = replace(load_board("stm32f4"), ticks=(Ticks("systick", {}),))
    slow = 'for (int i = 0; i < 40000; ++i) { __asm__ volatile(".rept 500\\n nop\\n .endr"); }'
    result = run(build(tmp_path, board, invoke=slow).validate_elf, board, seconds=60.0)
    assert result.ticks_source == "systick"
    # What the interrupt takes is not counted, so that all vectors are alike but for where it falls.
    assert max(v.ticks for v in result.vectors) - min(v.ticks for v in result.vectors) <= 2
    assert result.ticks_per_inference == pytest.approx(40_000 * 502, rel=0.002)


@pytest.mark.parametrize("name", ["stm32f4", "mps2-an505", "microbit"])
def test_a_fault(tmp_path: Path, name: str) -> None:
    board = load_board(name)
    error = failure(tmp_path, board, invoke=BAD_ADDRESS)
    kind = "hard" if name == "microbit" else "bus"
    assert isinstance(error, MismatchError)
    assert error.message.startswith(f"the firmware faulted ({kind} fault) in fake_invoke()")
    if kind == "bus":
        assert "address=0x60000000" in error.message


@pytest.mark.parametrize("invoke", ["__builtin_trap();", "((void (*)(void))0x60000001u)();"], ids=["undefined", "wild"])
def test_bad_instructions(tmp_path: Path, invoke: str) -> None:
    error = failure(tmp_path, load_board("stm32f4"), invoke=invoke)
    assert "the firmware faulted (" in error.message


@pytest.mark.parametrize("name", ["stm32f4", "mps2-an505"])
def test_a_stack_overflow(tmp_path: Path, name: str) -> None:
    error = failure(tmp_path, load_board(name), invoke=DEEP_RECURSION, extra=DEEP_FUNCTION)
    assert error.message.startswith("the stack overflowed")
    assert "fake_deep()" in error.message


def test_a_hang(tmp_path: Path) -> None:
    error = failure(tmp_path, load_board("stm32f4"), invoke=HANG)
    assert isinstance(error, MismatchError)
    assert "the firmware hangs" in error.message


def test_a_silent_uart(tmp_path: Path) -> None:
    board = load_board("stm32f4")
    elsewhere = replace(board, uart=replace(board.uart, settings={**board.uart.settings, "base": 0x4000_4800}))
    error = run_error(build(tmp_path, elsewhere).validate_elf, board)
    assert "the board's UART stayed silent" in error.message


def run_error(elf: Path, board: Board) -> TinygenError:
    with pytest.raises(TinygenError) as caught:
        run(elf, board)
    return caught.value


def test_what_it_does_not_know() -> None:
    with pytest.raises(OptionError, match="no model of its core cortex-m55"):
        UnicornEmulator(load_board("mps3-an547"))
