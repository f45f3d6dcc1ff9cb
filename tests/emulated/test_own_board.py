"""A board that tinygen does not know, described in a file of the user's: no Python is needed for it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.fake_package import BAD_ADDRESS, INPUT_BYTES, fake_interface, write_fake_package
from tinygen.board import load_board
from tinygen.build import build_firmware
from tinygen.emulate import QemuEmulator, run_vectors
from tinygen.errors import MismatchError

GCC, QEMU = "arm-none-eabi-gcc", "qemu-system-arm"
pytestmark = [
    pytest.mark.skipif(not shutil.which(GCC), reason=f"{GCC} is not installed"),
    pytest.mark.skipif(not shutil.which(QEMU), reason=f"{QEMU} is not installed"),
]

# A Cortex-M3 without FPU, with 8 KiB of RAM, on its reset clock. (Its GPIO is another than the driver's,
# which QEMU does not mind.)
BOARD = """
schema = 1
name = "vldiscovery"
title = "STM32VLDISCOVERY (STM32F100RB)"

[cpu]
core = "cortex-m3"
startup = "cortex_m"
toolchain = "arm-none-eabi"
flags = ["-mcpu=cortex-m3", "-mthumb"]
clock_hz = 24_000_000

[clock]
driver = "fixed"

[[memory]]
name = "FLASH"
kind = "flash"
origin = 0x0800_0000
size = "128K"

[[memory]]
name = "RAM"
kind = "ram"
origin = 0x2000_0000
size = "8K"

[placement]
code = "FLASH"
data = "RAM"
stack = "RAM"

[uart]
driver = "stm32_usart_v1"
baud = 115_200
[uart.settings]
base = 0x4001_3800
bus = 2
enable_reg = 0x4002_1018
enable_bit = 14
gpio_base = 0x4001_0800
gpio_enable_reg = 0x4002_1018
gpio_enable_bit = 2
tx_pin = 9
tx_af = 7

[[ticks]]
driver = "dwt"

[[ticks]]
driver = "systick"

[emulator.qemu]
program = "qemu-system-arm"
machine = "stm32vldiscovery"
ticks = "time"
"""


@pytest.mark.parametrize("invoke", ["", BAD_ADDRESS], ids=["good", "faulting"])
def test_a_board_from_a_file(tmp_path: Path, invoke: str) -> None:
    (tmp_path / "vldiscovery.toml").write_text(BOARD)
    board, model = load_board(tmp_path / "vldiscovery.toml"), fake_interface()
    package = write_fake_package(tmp_path / "package", invoke=invoke)
    built = build_firmware(package, model, board, tmp_path / "out", work_dir=tmp_path / "work")
    vectors = [bytes(range(INPUT_BYTES))] * 3
    if invoke:
        with pytest.raises(MismatchError, match=r"in fake_invoke\(\)"):
            run_vectors(QemuEmulator(board), board, built.validate_elf, model, vectors, seconds=3)
        return
    result = run_vectors(QemuEmulator(board), board, built.validate_elf, model, vectors, seconds=3)
    assert [outputs[0] for outputs in result.outputs] == [vector[::-1] for vector in vectors]
    assert result.ticks_source == "systick"
    assert 0 < result.stack_bytes < 300
