"""Traces of real runs: they hold exactly the instructions that the board counted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.cli import tinygen
from support.firmware import needs_arm_gcc, needs_qemu
from support.sample_models import small_cnn

from tinygen.board import board_names, load_board
from tinygen.emulate import QemuEmulator, run_vectors
from tinygen.emulate.cycles import can_estimate, estimate_cycles
from tinygen.ir import ModelInterface
from tinygen.load.tflite import read_graph

pytestmark = [needs_arm_gcc, needs_qemu]

# The validation firmware takes off what the counter shows for an empty function: `movs r0, #0; bx lr`.
EMPTY_FUNCTION_INSTRUCTIONS = 2
SECONDS = 60.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished build, in ``out``."""
    folder = tmp_path_factory.mktemp("cycles")
    (folder / "small.tflite").write_bytes(small_cnn().build())
    done = tinygen("build", "small.tflite", "--board", "stm32f4", "--out", "out", "--json", cwd=folder)
    assert done.code == 0, done.err
    return folder


@pytest.fixture(scope="module")
def interface(folder: Path) -> ModelInterface:
    graph = read_graph((folder / "small.tflite").read_bytes(), source="small.tflite", name="small")
    return ModelInterface.of(graph, "small")


@pytest.mark.parametrize("seed", range(3))
def test_every_instruction_is_in_the_trace(folder: Path, interface: ModelInterface, seed: int) -> None:
    board = load_board("stm32f4")
    elf = folder / "out/firmware/small_validate.elf"
    vector = np.random.default_rng(seed).bytes(sum(port.bytes for port in interface.inputs))
    counted = run_vectors(QemuEmulator(board), board, elf, interface, [vector]).vectors[0].ticks
    estimate = estimate_cycles(board, elf, interface, vector, seconds=SECONDS)
    assert estimate.instructions == counted + EMPTY_FUNCTION_INSTRUCTIONS
    assert estimate.instructions <= estimate.cycles.low <= estimate.cycles.estimate <= estimate.cycles.high
    assert estimate.sections == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({"microbit", "mps2-an385", "mps2-an500", "mps2-an505"} & {*board_names()}))
def test_other_cores(tmp_path: Path, interface: ModelInterface, name: str) -> None:
    """Their counters tell time in steps of some instructions, and memories of megabytes don't slow the trace down."""
    (tmp_path / "small.tflite").write_bytes(small_cnn().build())
    done = tinygen("build", "small.tflite", "--board", name, "--out", "out", "--cycles", "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    report = json.loads(done.out)
    validation = report["validation"]
    assert validation["cycles_per_inference"]["estimate"] > validation["instructions_per_inference"] / 2
    assert next(stage["seconds"] for stage in report["stages"] if stage["name"] == "cycles") < 10
    elf = tmp_path / "out/firmware/small_validate.elf"
    board, vector = load_board(name), bytes(sum(port.bytes for port in interface.inputs))
    counted = run_vectors(QemuEmulator(board), board, elf, interface, [vector]).vectors[0].ticks
    assert estimate_cycles(board, elf, interface, vector, seconds=SECONDS).instructions == pytest.approx(
        counted, abs=100
    )


def test_probes_divide_the_cycles(folder: Path, interface: ModelInterface) -> None:
    board = load_board("stm32f4")
    vector = bytes(sum(port.bytes for port in interface.inputs))
    plain, profiled = (
        estimate_cycles(board, folder / f"out/firmware/small_{kind}.elf", interface, vector, seconds=SECONDS)
        for kind in ("validate", "profile")
    )
    assert len(profiled.sections) > 1
    assert sum(section.estimate for section in profiled.sections) <= profiled.cycles.estimate
    assert profiled.cycles.estimate == pytest.approx(plain.cycles.estimate, rel=0.02)


def test_report(folder: Path) -> None:
    report = json.loads((folder / "out/report.json").read_text())
    validation = report["validation"]
    cycles = validation["cycles_per_inference"]
    assert validation["instructions_per_inference"] < cycles["low"] < cycles["estimate"] < cycles["high"]
    assert validation["latency_ms"] == pytest.approx(cycles["estimate"] / 168e3, rel=0.01)
    assert validation["energy_mj"] == pytest.approx(validation["latency_ms"] * 0.040 * 3.3, rel=0.02)
    assert sum(layer["cycles"] for layer in report["layers"]) == pytest.approx(cycles["estimate"], rel=0.05)
    assert "Latency about" in (folder / "out/report.html").read_text()


@pytest.mark.parametrize(
    ("board", "emulator", "note"),
    [
        ("mps2-an386", "qemu", "Energy was not estimated: the file of mps2-an386 names no current."),
        ("mps3-an547", "qemu", "Cycles were not estimated: there is no table of the cycles of mps3-an547's core"),
        ("stm32f4", "unicorn", "this run was in unicorn; --cycles does it"),
        ("nrf52840", "unicorn", "QEMU, which does not know the board nrf52840"),
    ],
)
def test_what_is_not_estimated_is_said_to_be(folder: Path, board: str, emulator: str, note: str) -> None:
    """Instead of a zero, or of nothing."""
    if emulator == "unicorn":
        pytest.importorskip("unicorn")
    options = ("--emulator", emulator, "--vectors", "1", "--out", f"{board}-{emulator}", "--json")
    done = tinygen("build", "small.tflite", "--board", board, *options, cwd=folder)
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert report["validation"]["energy_mj"] is None
    assert (report["validation"]["latency_ms"] is None) == note.startswith(("Cycles", "this", "QEMU"))
    assert len([given for given in report["notes"] if note in given]) == 1
    assert "energy about" not in (folder / f"{board}-{emulator}" / "report.html").read_text()


def test_energy_by_another_board_s_current(folder: Path) -> None:
    options = ("--vectors", "1", "--out", "microbit", "--json")
    done = tinygen("build", "small.tflite", "--board", "microbit", *options, cwd=folder)
    assert done.code == 0, done.err
    validation = json.loads(done.out)["validation"]
    assert validation["energy_mj"] == pytest.approx(validation["latency_ms"] * 0.0044 * 3, rel=0.02)


def test_latency_budget(folder: Path) -> None:
    arguments = ("build", "small.tflite", "--board", "stm32f4", "--out", "slow", "--latency")
    done = tinygen(*arguments, "0.001", cwd=folder)
    assert done.code == 3
    assert "takes too long" in done.err
    assert not (folder / "slow").exists()
    assert tinygen(*arguments, "1000", cwd=folder).code == 0


@pytest.mark.parametrize("more", [("--no-validate",), ("--no-cycles",)], ids=" ".join)
def test_latency_without_cycles_is_refused(folder: Path, more: tuple[str, ...]) -> None:
    done = tinygen("build", "small.tflite", "--board", "stm32f4", "--latency", "5", *more, cwd=folder)
    assert done.code == 2
    assert more[0] in done.err


def test_no_cycles(folder: Path) -> None:
    done = tinygen("build", "small.tflite", "--board", "stm32f4", "--out", "no", "--no-cycles", "--json", cwd=folder)
    assert done.code == 0
    assert json.loads(done.out)["validation"]["cycles_per_inference"] is None


def test_boards_with_a_table() -> None:
    assert can_estimate(load_board("stm32f4"))
