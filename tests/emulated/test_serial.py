"""A real board, as far as a pseudo-terminal can be one: QEMU's UART feeds it, and a script flashes it."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import subprocess
import threading
import time
import tty
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.cli import tinygen
from tests.support.fake_package import INPUT_BYTES, fake_interface, write_fake_package
from tests.support.firmware import needs_arm_gcc, needs_qemu
from tests.support.sample_models import small_cnn
from tinygen.board import Board, load_board
from tinygen.build import build_firmware
from tinygen.emulate import SerialBoard, run_vectors
from tinygen.emulate.qemu import qemu_command
from tinygen.errors import MismatchError, OptionError, TinygenError, ToolError
from tinygen.resources import BOARDS

pytestmark = [needs_arm_gcc, needs_qemu]

SECONDS = 4.0
VECTORS = [bytes((i * k) & 0xFF for k in range(INPUT_BYTES)) for i in range(5)]
# Copies the image to where the board waits for it, and ends when the board has started.
FLASHER = """\
#!/bin/sh
for last; do :; done
rm -f "{0}/started"
cp "$last" "{0}/new" && mv "{0}/new" "{0}/flash.elf"
while [ ! -e "{0}/started" ]; do sleep 0.05; done
"""


class Bench:
    """A board on a table: what it says goes to a terminal; it starts whenever it is flashed."""

    def __init__(self, folder: Path, board: Board) -> None:
        self.folder = folder
        self.board = board
        self.chatter = b""
        self.cut_after: int | None = None
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        self._slave: int | None = slave
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live)
        self._thread.start()

    def _live(self) -> None:
        image = self.folder / "flash.elf"
        while not self._stop.wait(0.02):
            if image.exists():
                running = image.rename(self.folder / "running.elf")
                self._run(running)

    def _run(self, elf: Path) -> None:
        assert self.board.qemu is not None
        os.write(self._master, self.chatter)
        command = qemu_command(self.board.qemu, self.board.qemu.program, str(elf))
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as qemu:
            assert qemu.stdout is not None
            said = b""
            while not self._stop.is_set():
                if not select.select([qemu.stdout], [], [], 0.1)[0]:
                    continue
                data = os.read(qemu.stdout.fileno(), 256)
                room = len(data) if self.cut_after is None else max(0, self.cut_after - len(said))
                os.write(self._master, data[:room])
                if room < len(data):
                    time.sleep(0.5)
                    self.unplug()
                    break
                said += data
                (self.folder / "started").touch()
                if not data or re.search(rb"TG (done|fault)[^\n]*\n", said):
                    break
            qemu.kill()

    def unplug(self) -> None:
        if self._slave is not None:
            os.close(self._slave)
            self._slave = None
            os.close(self._master)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self.unplug()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    folder = tmp_path / "bench"
    (folder / "bin").mkdir(parents=True)
    flasher = folder / "bin" / "pyocd"
    flasher.write_text(FLASHER.format(folder))
    flasher.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
    bench = Bench(folder, replace(load_board("stm32f4"), flash={"pyocd": "stm32f407vg"}))
    yield bench
    bench.close()


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("serial"))


def build(folder: Path, board: str = "stm32f4", **misbehaviour: str) -> Path:
    package = write_fake_package(folder / "package", **misbehaviour)
    out, work = folder / "out", folder / "work"
    return build_firmware(package, fake_interface(), load_board(board), out, work_dir=work).validate_elf


def run(bench: Bench, elf: Path, **options: object):  # type: ignore[no-untyped-def]
    serial = SerialBoard(bench.board, bench.port)
    return run_vectors(serial, bench.board, elf, fake_interface(), VECTORS, seconds=SECONDS, **options)


def failure(bench: Bench, elf: Path) -> TinygenError:
    with pytest.raises(TinygenError) as caught:
        run(bench, elf)
    return caught.value


def test_a_board_is_flashed_and_answers(bench: Bench, elf: Path) -> None:
    result = run(bench, elf)
    assert [outputs[0] for outputs in result.outputs] == [vector[::-1] for vector in VECTORS]
    assert result.emulator == "serial"
    assert result.emulator_version.startswith(f"{bench.port} at 115200 baud, pyserial ")
    assert result.ticks_unit == "cycles"


def test_batches_take_turns(bench: Bench, elf: Path) -> None:
    assert len(run(bench, elf, jobs=2).vectors) == len(VECTORS)


def test_what_the_old_firmware_said_is_forgotten(bench: Bench, elf: Path) -> None:
    bench.chatter = b"\xff\x00nonsense\r\nTG ticks 3 77\r\nTG hello other 1 9\r\nTG out 0 0 00 crc=d202ef8d\r\nTG he"
    bench.chatter += b"\r\n"
    assert len(run(bench, elf).vectors) == len(VECTORS)


def test_silence(bench: Bench, elf: Path) -> None:
    bench.cut_after = None
    (bench.folder / "bin" / "pyocd").write_text("#!/bin/sh\nexit 0\n")
    error = failure(bench, elf)
    assert isinstance(error, ToolError)
    assert error.message.startswith("the board's UART stayed silent for 4 s")


def test_a_board_that_is_unplugged_in_mid_line(bench: Bench, elf: Path) -> None:
    bench.cut_after = 200
    error = failure(bench, elf)
    assert isinstance(error, ToolError)
    assert f"the serial port {bench.port} was lost" in error.message
    assert "before the firmware was done" in error.message


def test_a_board_that_stops_in_mid_line(bench: Bench, elf: Path) -> None:
    half = elf.read_bytes()
    bench.chatter = b"TG hello fake 1 5\r\nTG info board=stm32f4 ticks=dwt\r\nTG out 0 0 00"
    (bench.folder / "bin" / "pyocd").write_text(f"#!/bin/sh\ntouch {bench.folder}/flash.elf\n")
    error = failure(bench, elf)
    assert half == elf.read_bytes()
    assert isinstance(error, MismatchError)
    assert "the firmware hangs: nothing came for 4 s, before the first vector" in error.message


def test_firmware_of_another_board(bench: Bench, tmp_path: Path) -> None:
    """Its UART answers all the same: a board of the same family, mixed up on the table."""
    error = failure(bench, build(tmp_path, "nucleo-f446re"))
    assert "built for the board nucleo-f446re, not for stm32f4" in error.message
    assert error.exit_code == 5


def test_firmware_of_another_model(bench: Bench, elf: Path) -> None:
    bench.chatter = b"TG hello other 1 5\r\n"
    (bench.folder / "bin" / "pyocd").write_text(f"#!/bin/sh\ntouch {bench.folder}/flash.elf\nsleep 0.5\n")
    assert "the board runs 'other', not 'fake'" in failure(bench, elf).message


def test_a_fault(bench: Bench, tmp_path: Path) -> None:
    error = failure(bench, build(tmp_path, invoke="*(volatile uint32_t *)0x60000000u = 1u;"))
    assert "the firmware faulted (" in error.message
    assert "fake_invoke()" in error.message


def test_a_flasher_that_fails(bench: Bench, elf: Path) -> None:
    (bench.folder / "bin" / "pyocd").write_text("#!/bin/sh\necho No target device available\nexit 3\n")
    error = failure(bench, elf)
    assert "pyocd ended with status 3" in error.message
    assert any("No target device" in line for line in error.details)


def test_without_a_flasher_a_person_is_asked(bench: Bench, elf: Path) -> None:
    (bench.folder / "bin" / "pyocd").unlink()
    asked: list[str] = []

    def person(text: str) -> None:
        asked.append(text)
        image = Path(text.split()[1]).with_suffix(".elf")
        assert image.with_suffix(".hex").read_text().startswith(":")
        (bench.folder / "new").write_bytes(image.read_bytes())
        (bench.folder / "new").rename(bench.folder / "flash.elf")

    serial = SerialBoard(bench.board, bench.port, notify=person)
    result = run_vectors(serial, bench.board, elf, fake_interface(), VECTORS, seconds=SECONDS)
    assert len(result.vectors) == len(VECTORS)
    assert "pyocd flash --target stm32f407vg" in asked[0]


def test_a_port_that_is_not_there(elf: Path) -> None:
    board = load_board("stm32f4")
    with pytest.raises(ToolError, match="the serial port /dev/ttyNONE can't be opened") as caught:
        run_vectors(SerialBoard(board, "/dev/ttyNONE"), board, elf, fake_interface(), VECTORS, seconds=SECONDS)
    assert "dialout" in caught.value.hint


def test_no_port_was_named() -> None:
    with pytest.raises(OptionError, match="name the port with --port"):
        SerialBoard(load_board("stm32f4"), None)


def test_build_and_validate_on_a_real_board(bench: Bench, tmp_path: Path) -> None:
    """The whole way by the command line."""
    write_model_and_board(tmp_path)
    options = ("--emulator", "serial", "--port", bench.port, "--vectors", "6")
    done = tinygen("build", "small.tflite", "-b", "./mine/board.toml", "--out", "out", *options, cwd=tmp_path)
    assert done.code == 0, done.err
    assert "bit-exact: 6 random vectors on serial" in done.out
    done = tinygen("validate", "out", "-b", "./mine/board.toml", *options, "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    validation = json.loads(done.out)["validation"]
    assert (validation["emulator"], validation["mismatches"], validation["ticks_unit"]) == ("serial", 0, "cycles")
    assert validation["instructions_per_inference"] == 0
    assert validation["ticks_per_inference"] > 1000


def test_compare_on_a_real_board(bench: Bench, tmp_path: Path) -> None:
    """Each row is flashed in its turn."""
    write_model_and_board(tmp_path)
    options = ("--emulator", "serial", "--port", bench.port, "--vectors", "2", "--out", "out", "--json")
    done = tinygen("compare", "small.tflite", "-b", "./mine/board.toml", *options, cwd=tmp_path)
    assert done.code == 0, done.err
    rows = json.loads(done.out)["rows"]
    assert [(row["mode"], row["vectors"], row["failure"]) for row in rows] == [("size", 2, None), ("balanced", 2, None)]
    report = json.loads((tmp_path / "out" / rows[0]["folder"] / "report.json").read_text())
    assert (report["validation"]["emulator"], report["validation"]["bit_exact"]) == ("serial", True)


def write_model_and_board(folder: Path) -> None:
    """``small.tflite``, and ``mine/board.toml``, which says what pyOCD calls the board."""
    (folder / "small.tflite").write_bytes(small_cnn().build())
    shutil.copytree(BOARDS / "stm32f4", folder / "mine")
    text = (folder / "mine" / "board.toml").read_text()
    (folder / "mine" / "board.toml").write_text(text.replace("[flash]\n", '[flash]\npyocd = "stm32f407vg"\n'))


def test_options_of_a_real_board_need_one(tmp_path: Path) -> None:
    (tmp_path / "small.tflite").write_bytes(small_cnn().build())
    done = tinygen("build", "small.tflite", "-b", "stm32f4", "--port", "/dev/ttyACM0", cwd=tmp_path)
    assert done.code == 2
    assert "they need --emulator serial" in done.err
