"""Renode's files, rendered; running them needs Renode and is tested where it is installed."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.fake_package import INPUT_BYTES, fake_interface, write_fake_package
from tinygen.board import board_names, load_board
from tinygen.build import build_firmware
from tinygen.emulate import QemuEmulator, RenodeEmulator, renode_files, run_vectors
from tinygen.emulate.suite import suite_files
from tinygen.errors import OptionError, TinygenError, ToolError

OUTPUT = bytes(INPUT_BYTES)


def test_files_stand_by_themselves() -> None:
    files = renode_files(load_board("stm32f4"), fake_interface(), "../firmware/fake_validate.elf")
    assert sorted(files) == ["fake.repl", "fake.resc"]
    assert files["fake.repl"].startswith("// stm32f4 in Renode")
    assert 'using "platforms/boards/stm32f4_discovery-kit.repl"\n' in files["fake.repl"]
    assert "dwt: Miscellaneous.DWT" in files["fake.repl"]
    assert "$elf?=$ORIGIN/../firmware/fake_validate.elf\n" in files["fake.resc"]


@pytest.mark.parametrize("name", [name for name in board_names() if load_board(name).renode])
def test_no_platform_needs_a_network(name: str) -> None:
    """Where Renode's description downloads, the overlay must take that place: a robot run offline fails else."""
    files = renode_files(load_board(name), fake_interface(), "x.elf")
    assert "https:" not in "".join(files.values())
    if "using" not in files["fake.repl"]:
        assert "cpu: CPU." in files["fake.repl"]


def test_suite_knows_what_to_run_and_what_to_expect() -> None:
    files = suite_files(load_board("stm32f4"), fake_interface(), "x.elf", [[OUTPUT]] * 2)
    facts = json.loads(files["run.json"])
    assert facts["expected"] == [f"TG out {i} 0 {OUTPUT.hex()} crc={_crc(OUTPUT)}" for i in (0, 1)]
    assert facts["qemu"][:3] == ["qemu-system-arm", "-M", "netduinoplus2"]
    assert facts["qemu"][-1] == "x.elf"
    assert facts["renode"] == {"script": "fake.resc", "uart": "sysbus.usart2"}
    assert {"fake.robot", "tinygen.resource", "TinygenLibrary.py"} < set(files)


def test_uart_is_logged_where_that_is_asked_for() -> None:
    files = renode_files(load_board("stm32f4"), fake_interface(), "x.elf", uart_log="/tmp/uart.log")
    assert "sysbus.usart2 CreateFileBackend @/tmp/uart.log true" in files["fake.resc"]


def test_missing_renode_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="renode-test is not on the PATH") as caught:
        RenodeEmulator(load_board("stm32f4"))
    assert "renode/releases" in caught.value.hint


def test_missing_qemu_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="qemu-system-arm is not on the PATH") as caught:
        QemuEmulator(load_board("stm32f4"))
    assert "apt install qemu-system-arm" in caught.value.hint


@pytest.mark.parametrize("emulator", [QemuEmulator, RenodeEmulator])
def test_a_board_that_the_emulator_does_not_know(emulator: type) -> None:
    board = replace(load_board("stm32f4"), qemu=None, renode=None, unicorn=None)
    with pytest.raises(OptionError, match="emulators that do: none"):
        emulator(board)


RENODE_TEST = """\
#!/bin/sh
# Stands in for renode-test: says on the UART what the test wants, and ends with its status.
log=$(sed -n 's/.*CreateFileBackend @\\([^ ]*\\) .*/\\1/p' *.resc)
{log}
exit {status}
"""


@pytest.mark.parametrize(
    ("log", "status", "message"),
    [
        ("exit 2", 2, "Renode ended with status 2"),
        (': > "$log"', 1, "stayed silent"),
        ('echo "TG hello fake 1 1" > "$log"', 1, "the firmware hangs"),
        ('echo "TG fault hard pc=00000000" > "$log"', 1, "hard fault"),
    ],
)
@pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="arm-none-eabi-gcc is not installed")
def test_ends_of_a_run_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, log: str, status: int, message: str
) -> None:
    program = tmp_path / "bin" / "renode-test"
    program.parent.mkdir()
    program.write_text(RENODE_TEST.format(log=log, status=status))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    board, model = load_board("stm32f4"), fake_interface()
    package = write_fake_package(tmp_path / "package")
    elf = build_firmware(package, model, board, tmp_path / "out", work_dir=tmp_path / "work").validate_elf
    with pytest.raises(TinygenError, match=message):
        run_vectors(RenodeEmulator(board), board, elf, model, [OUTPUT])


@pytest.mark.skipif(not shutil.which("renode-test"), reason="renode-test is not installed")
def test_a_run_in_renode(tmp_path: Path) -> None:
    board, model = load_board("stm32f4"), fake_interface()
    package = write_fake_package(tmp_path / "package")
    elf = build_firmware(package, model, board, tmp_path / "out", work_dir=tmp_path / "work").validate_elf
    vectors = [bytes(range(INPUT_BYTES)), OUTPUT]
    result = run_vectors(RenodeEmulator(board), board, elf, model, vectors)
    assert [outputs[0] for outputs in result.outputs] == [vector[::-1] for vector in vectors]


def _crc(data: bytes) -> str:
    return f"{zlib.crc32(data):08x}"
