"""Firmware of a fake model in QEMU: good runs, and every way in which one can fail."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.fake_package import (
    BAD_ADDRESS,
    DEEP_FUNCTION,
    DEEP_RECURSION,
    HANG,
    INPUT_BYTES,
    WRONG_OUTPUT,
    fake_interface,
    write_fake_package,
)
from tinygen.board import Board, Region, Ticks, load_board
from tinygen.build import BuildResult, build_firmware
from tinygen.emulate import ALL_OPS, Batch, QemuEmulator, RunResult, run_vectors, write_batch, write_emulation
from tinygen.emulate.session import Session
from tinygen.emulate.vectors import read_batch, vector_capacity
from tinygen.errors import BudgetError, MismatchError, TinygenError, ToolError

GCC, QEMU = "arm-none-eabi-gcc", "qemu-system-arm"
pytestmark = [
    pytest.mark.skipif(not shutil.which(GCC), reason=f"{GCC} is not installed"),
    pytest.mark.skipif(not shutil.which(QEMU), reason=f"{QEMU} is not installed"),
]

SECONDS = 3.0
VECTORS = [random.Random(i).randbytes(INPUT_BYTES) for i in range(7)]


def build(folder: Path, board: Board | None = None, **misbehaviour: str) -> BuildResult:
    package = write_fake_package(folder / "package", **misbehaviour)
    board = board or load_board("stm32f4")
    return build_firmware(package, fake_interface(), board, folder / "out", work_dir=folder / "work")


def run(elf: Path, board: Board | None = None, **options: object) -> RunResult:
    board = board or load_board("stm32f4")
    options.setdefault("seconds", SECONDS)
    return run_vectors(QemuEmulator(board), board, elf, fake_interface(), VECTORS, **options)  # type: ignore[arg-type]


def failure(folder: Path, **misbehaviour: str) -> TinygenError:
    """The error that a misbehaving model ends with; it must come in time."""
    built = build(folder, **misbehaviour)
    started = time.monotonic()
    with pytest.raises(TinygenError) as caught:
        run(built.validate_elf)
    assert time.monotonic() - started < SECONDS + 3
    return caught.value


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> BuildResult:
    return build(tmp_path_factory.mktemp("good"))


def test_outputs_come_back(good: BuildResult) -> None:
    progress: list[tuple[int, int]] = []
    result = run(good.validate_elf, progress=lambda done, total: progress.append((done, total)))
    assert [outputs[0] for outputs in result.outputs] == [vector[::-1] for vector in VECTORS]
    assert [vector.index for vector in result.vectors] == list(range(len(VECTORS)))
    assert progress == [(len(VECTORS), len(VECTORS))]
    assert result.emulator == "qemu"
    assert result.emulator_version.startswith("QEMU ")
    assert result.uart_log.count("TG out") == len(VECTORS)


def test_ticks_are_instructions_and_repeat(good: BuildResult) -> None:
    first, second = run(good.validate_elf), run(good.validate_elf)
    assert [v.ticks for v in first.vectors] == [v.ticks for v in second.vectors]
    assert len({v.ticks for v in first.vectors}) == 1
    assert 150 < first.ticks_per_inference < 400  # two loops of 24 rounds with four instructions
    assert first.ticks_unit == "instructions"
    assert first.ticks_source == "stm32_timer32"  # QEMU has no cycle counter


def test_stack_is_measured(good: BuildResult, tmp_path: Path) -> None:
    shallow = run(good.validate_elf).stack_bytes
    deep = build(tmp_path, invoke="volatile int8_t frame[600]; for (int i = 0; i < 600; ++i) { frame[i] = output[0]; }")
    assert 32 <= shallow < 300
    assert shallow + 500 < run(deep.validate_elf).stack_bytes < shallow + 700


def test_stack_in_a_region_of_its_own(good: BuildResult, tmp_path: Path) -> None:
    board = load_board("stm32f4")
    # SRAM1 and SRAM2 of the chip; the CCM is not in QEMU 7.2.
    second = Region("SRAM2", "ram", 0x2001_C000, 16 << 10, 0)
    first = replace(board.region("SRAM"), bytes=112 << 10)
    memory = (board.region("FLASH"), first, second)
    apart = replace(board, memory=memory, placement=replace(board.placement, stack="SRAM2"))
    built = build(tmp_path, apart)
    result = run(built.validate_elf, apart)
    assert result.stack_bytes == run(good.validate_elf).stack_bytes
    assert built.sizes.static_bytes == good.sizes.static_bytes
    overflowing = build(tmp_path / "deep", apart, invoke=DEEP_RECURSION, extra=DEEP_FUNCTION)
    with pytest.raises(MismatchError, match="the stack overflowed near fake_deep"):
        run(overflowing.validate_elf, apart)


def test_systick_counts_where_nothing_else_does(tmp_path: Path) -> None:
    board = replace(load_board("stm32f4"), ticks=(Ticks("dwt", {}), Ticks("systick", {})))
    busy = "for (volatile int i = 0; i < 15000000; ++i) { }"  # past the 24 bits of the counter
    result = run(build(tmp_path, board, invoke=busy).validate_elf, board, seconds=30.0)
    assert result.ticks_source == "systick"
    # 168 MHz beside 1 GHz of instructions: 0.168 ticks for each of the seven in a round.
    assert result.ticks_per_inference == pytest.approx(15_000_000 * 7 * 0.168, rel=0.01)
    assert len({round(v.ticks / 1000) for v in result.vectors}) == 1


def test_evidence_can_be_run_again(good: BuildResult, tmp_path: Path) -> None:
    @dataclass
    class Given:
        inputs: list[tuple[np.ndarray, ...]]

    @dataclass
    class Found:
        run: RunResult
        expected: list[tuple[np.ndarray, ...]]

    shutil.copytree(good.elf.parent, tmp_path / "firmware")
    elf = tmp_path / "firmware" / "fake_validate.elf"
    arrays = [(np.frombuffer(vector, np.int8),) for vector in VECTORS]
    found = Found(run(elf), [(a[::-1],) for (a,) in arrays])
    write_emulation(tmp_path / "emulation", load_board("stm32f4"), fake_interface(), elf, Given(arrays), found)
    names = sorted(p.name for p in (tmp_path / "emulation").iterdir())
    robot = ["TinygenLibrary.py", "fake.robot", "run.json", "tinygen.resource"]
    assert names == sorted(["fake.repl", "fake.resc", "qemu.sh", "uart.log", *robot])
    assert read_batch(elf).vectors == tuple(VECTORS)
    expected = [line for line in found.run.uart_log.splitlines() if line.startswith("TG out")]
    assert json.loads((tmp_path / "emulation" / "run.json").read_text())["expected"] == expected


def test_several_batches_and_jobs(good: BuildResult) -> None:
    whole = run(good.validate_elf)
    cut = run(good.validate_elf, jobs=3)
    assert cut.vectors == whole.vectors
    assert cut.uart_log.count("TG done") == 3


def test_layers_and_their_data(good: BuildResult) -> None:
    result = run(good.profile_elf, layers=True)
    layers = result.vectors[2].layers
    assert [(layer.op, layer.tensor) for layer in layers] == [(3, 7), (4, 8)]
    assert all(layer.data is None and 50 < layer.ticks < 200 for layer in layers)
    plain = run(good.validate_elf)
    assert result.ticks_per_inference == pytest.approx(plain.ticks_per_inference, abs=30)
    assert result.outputs == plain.outputs
    with_data = run(good.profile_elf, data_op=4).vectors[2].layers
    assert [layer.data for layer in with_data] == [None, VECTORS[2]]
    everything = run(good.profile_elf, data_op=ALL_OPS).vectors[0].layers
    assert [layer.data for layer in everything] == [VECTORS[0][::-1], VECTORS[0]]


def test_vectors_are_replaced_in_place(good: BuildResult, tmp_path: Path) -> None:
    elf = tmp_path / "patched.elf"
    write_batch(good.validate_elf, Batch(tuple(VECTORS), 5), elf)
    size = elf.stat().st_size
    assert read_batch(elf) == Batch(tuple(VECTORS), 5)
    write_batch(elf, Batch(tuple(VECTORS[:2])), elf)
    assert read_batch(elf).vectors == tuple(VECTORS[:2])
    assert elf.stat().st_size < size
    assert [o[0] for o in run(elf).outputs] == [v[::-1] for v in VECTORS]
    assert 900_000 < vector_capacity(elf) < 1 << 20


def test_other_tools_read_the_patched_image(good: BuildResult, tmp_path: Path) -> None:
    elf = tmp_path / "patched.elf"
    write_batch(good.validate_elf, Batch(tuple(VECTORS)), elf)
    out = tmp_path / "flash.bin"
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", elf, out], check=True)
    assert b"".join(VECTORS) in out.read_bytes()


def test_a_wrong_output_is_just_reported(tmp_path: Path) -> None:
    outputs = run(build(tmp_path, invoke=WRONG_OUTPUT).validate_elf).outputs
    assert all(got[0] != vector[::-1] for got, vector in zip(outputs, VECTORS, strict=True))


def test_a_bad_address(tmp_path: Path) -> None:
    error = failure(tmp_path, invoke=BAD_ADDRESS)
    assert isinstance(error, MismatchError)
    assert "bus fault) in fake_invoke()" in error.message
    assert "address=0x60000000" in error.message
    assert error.details[-1].startswith("uart: TG fault bus pc=")


def test_an_undefined_instruction(tmp_path: Path) -> None:
    assert "usage fault) in fake_invoke()" in failure(tmp_path, invoke="__builtin_trap();").message


def test_a_stack_overflow(tmp_path: Path) -> None:
    error = failure(tmp_path, invoke=DEEP_RECURSION, extra=DEEP_FUNCTION)
    assert isinstance(error, MismatchError)
    assert "the stack overflowed near fake_deep()" in error.message


def test_a_hang(tmp_path: Path) -> None:
    error = failure(tmp_path, invoke=HANG)
    assert isinstance(error, MismatchError)
    assert "the firmware hangs: nothing came for 3 s, before the first vector" in error.message


def test_a_hang_later(tmp_path: Path) -> None:
    hang = f"static int calls; if (++calls == 4) {{ {HANG} }}"
    assert "after 2 of 7 vectors" in failure(tmp_path, invoke=hang).message


def test_a_failing_init(tmp_path: Path) -> None:
    assert "init() failed after 0 of 7 vectors: status=0xfffffffd" in failure(tmp_path, init="return -3;").message


def test_a_failing_invoke(tmp_path: Path) -> None:
    fail = "static int calls; if (++calls == 4) { return -2; }"
    assert "invoke() failed after 2 of 7 vectors" in failure(tmp_path, invoke=fail).message


def test_a_silent_uart(good: BuildResult) -> None:
    board = load_board("stm32f4")
    assert board.qemu is not None
    deaf = replace(board, qemu=replace(board.qemu, serial=0))
    with pytest.raises(ToolError, match="stayed silent for 1 s"):
        run(good.validate_elf, deaf, seconds=1.0)


def test_an_emulator_that_dies(good: BuildResult) -> None:
    board = load_board("stm32f4")
    assert board.qemu is not None
    wrong = replace(board, qemu=replace(board.qemu, machine="no-such-board"))
    with pytest.raises(ToolError, match="ended with status 1 before the firmware was done") as caught:
        run(good.validate_elf, wrong)
    assert any("unsupported machine type" in line for line in caught.value.details)


def test_damaged_vectors(good: BuildResult, tmp_path: Path) -> None:
    elf = tmp_path / "damaged.elf"
    write_batch(good.validate_elf, Batch(tuple(VECTORS)), elf)
    elf.write_bytes(elf.read_bytes()[:-1] + b"!")
    board = load_board("stm32f4")
    with pytest.raises(MismatchError, match="test vectors are damaged"):
        QemuEmulator(board).run(board, elf, Session(fake_interface(), Batch(tuple(VECTORS)), elf), SECONDS)


def test_a_vector_that_does_not_fit(good: BuildResult) -> None:
    board = load_board("stm32f4")
    with pytest.raises(BudgetError, match="no room for a test vector"):
        run_vectors(QemuEmulator(board), board, good.validate_elf, fake_interface(), [bytes(1 << 21)])


def test_one_failing_run_ends_the_others(tmp_path: Path) -> None:
    # The batch with the last vector fails at once; the first one would hang.
    last = f"(uint8_t)output[23] == 0x{VECTORS[4][0]:02x}"
    built = build(tmp_path, invoke=f"static int calls; if (++calls > 1) {{ if ({last}) {{ {BAD_ADDRESS} }} {HANG} }}")
    begun = time.monotonic()
    with pytest.raises(MismatchError, match="bus fault"):
        run(built.validate_elf, jobs=2, seconds=60.0)
    assert time.monotonic() - begun < 20


def test_no_process_is_left_behind(good: BuildResult, tmp_path: Path) -> None:
    hanging = build(tmp_path, invoke=HANG)
    with pytest.raises(MismatchError):
        run(hanging.validate_elf, seconds=1.0)
    run(good.validate_elf)
    children = ["ps", "-o", "args", "--ppid", str(os.getpid())]
    assert QEMU not in subprocess.run(children, capture_output=True, text=True, check=False).stdout
