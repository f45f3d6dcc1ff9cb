"""``tinygen build --runtime tflm``: TensorFlow Lite Micro's own interpreter on the emulated board.

It is not among the packages that `make test` installs: TINYGEN_TFLM names checkouts, exported trees or libraries, with
colons between them. Each test takes the one with its kernels for its board's core.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cli import Finished, tinygen
from support.firmware import needs_arm_gcc, needs_qemu
from support.sample_models import small_cnn
from support.shared import data_file, model_file
from support.tflm import library

from tinygen.board import load_board
from tinygen.build import Tflm, build_firmware
from tinygen.emulate import QemuEmulator, run_vectors
from tinygen.errors import MismatchError
from tinygen.ir import ModelInterface
from tinygen.load.tflite import read_graph
from tinygen.resources import BOARDS

KINDS = [(board, kernels) for board in ("stm32f4", "mps2-an500") for kernels in ("CMSIS-NN", "reference")]
VECTORS = 9

pytestmark = [needs_arm_gcc, needs_qemu]


class Linked:
    """The small model's build for a board with one of the libraries."""

    def __init__(self, board: str, kernels: str, folder: Path) -> None:
        self.board, self.kernels, self.folder = board, kernels, folder
        self.tflm: Tflm = library(board, kernels)
        done = build(folder, "small.tflite", "out", "-b", board, "--tflm", self.tflm.library, "--data", "data.npz")
        assert done.code == 0, done.err
        self.report: dict[str, Any] = json.loads(done.out)


def build(folder: Path, model: Path | str, out: str, *options: str | Path) -> Finished:
    return tinygen("build", model, "--runtime", "tflm", "--out", out, "--json", *options, cwd=folder)


def write_inputs(folder: Path) -> Path:
    (folder / "small.tflite").write_bytes(small_cnn().build())
    rng = np.random.default_rng(1)
    np.savez(folder / "data.npz", x=rng.normal(0, 2, (VECTORS, 8, 8, 3)).astype(np.float32))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_inputs(tmp_path_factory.mktemp("user"))


@pytest.fixture(scope="module", params=KINDS, ids=["-".join(kind) for kind in KINDS])
def linked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Linked:
    return Linked(*request.param, write_inputs(tmp_path_factory.mktemp("linked")))


def test_every_bit(linked: Linked) -> None:
    validation = linked.report["validation"]
    assert linked.report["runtime"] == "tflm"
    assert (validation["vectors"], validation["bit_exact"]) == (VECTORS, True)
    assert validation["instructions_per_inference"] > 0
    assert linked.report["layers"] == []


def test_the_library_that_was_asked_for(linked: Linked) -> None:
    (note,) = (note for note in linked.report["notes"] if "library is" in note)
    assert linked.kernels in note
    assert "another core" not in note
    assert (linked.report["flash"]["kernels"] > 0) == (linked.kernels == "CMSIS-NN")


def test_parts_add_up(linked: Linked) -> None:
    flash, ram = linked.report["flash"], linked.report["ram"]
    assert flash["total"] == flash["weights"] + flash["kernels"] + flash["generated"] + flash["other"]
    assert flash["weights"] == len(small_cnn().build())
    assert flash["runtime"] > 5000
    assert 0 < flash["libc"] < flash["runtime"] + flash["kernels"]
    assert ram["total"] == ram["arena"] + ram["static"] + ram["stack"]
    assert 500 < ram["stack"] < 4096
    assert ram["static"] < 2048


def test_the_arena_was_measured(linked: Linked) -> None:
    package = linked.folder / "out" / "small"
    header = (package / "tflm" / "small_tflm.h").read_text()
    assert f"Measured on {linked.board} with TensorFlow Lite Micro's {linked.kernels} kernels" in " ".join(
        header.replace("\n *", " ").split()
    )
    smallest, margin = map(int, re.findall(r"(\d+) bytes, and a margin of (\d+)", header)[0])
    assert f"#define SMALL_TFLM_ARENA_BYTES {smallest + margin}\n" in header
    assert linked.report["ram"]["arena"] == smallest + margin
    manifest = json.loads((package / "manifest.json").read_text())
    assert "tflm/small_tflm.h" in manifest["files"]
    assert any("arena" in note for note in linked.report["notes"])


def test_less_than_the_smallest_is_not_enough(linked: Linked, tmp_path: Path) -> None:
    """The board says so itself: init() returns that the arena is too small."""
    board = load_board(linked.board)
    interface = ModelInterface.of(read_graph(small_cnn().build(), source="small.tflite", name="small"), "small")
    package = linked.folder / "out" / "small"
    header = package / "tflm" / "small_tflm.h"
    text = header.read_text()
    smallest = int(re.findall(r"(\d+) bytes, and a margin", text)[0])
    vector = bytes(interface.inputs[0].bytes)
    try:
        for size, enough in ((smallest, True), (smallest - 16, False)):
            header.write_text(re.sub(r"(ARENA_BYTES) \d+\n", rf"\1 {size}\n", text))
            folders = tmp_path / str(size)
            built = build_firmware(
                package, interface, board, folders / "out", work_dir=folders / "work", tflm=linked.tflm
            )
            if enough:
                run_vectors(QemuEmulator(board), board, built.validate_elf, interface, [vector])
            else:
                with pytest.raises(MismatchError, match="init\\(\\) failed"):
                    run_vectors(QemuEmulator(board), board, built.validate_elf, interface, [vector])
    finally:
        header.write_text(text)


def test_validate_again(linked: Linked) -> None:
    done = tinygen("validate", "out", "--vectors", "5", cwd=linked.folder)
    assert done.code == 0, done.err
    assert "5 random vectors" in done.out


def test_without_a_run_the_arena_is_the_reference_s(folder: Path) -> None:
    tflm = library("stm32f4", "CMSIS-NN").root
    done = build(folder, "small.tflite", "unmeasured", "-b", "stm32f4", "--tflm", tflm, "--no-validate")
    assert done.code == 0, done.err
    header = (folder / "unmeasured" / "small" / "tflm" / "small_tflm.h").read_text()
    assert "64-bit reference interpreter" in header


def test_an_arena_that_does_not_fit(folder: Path, tmp_path: Path) -> None:
    text = (BOARDS / "stm32f4" / "board.toml").read_text().replace('size = "128K"', 'size = "7K"')
    (tmp_path / "board.toml").write_text(re.sub(r"overlay = .*\n", "", text))
    tflm = library("stm32f4", "CMSIS-NN").root
    model = folder / "small.tflite"
    done = tinygen(
        "build", model, "-b", tmp_path / "board.toml", "--runtime", "tflm", "--tflm", tflm, "--out", "out", cwd=tmp_path
    )
    assert done.code == 3, done.err
    assert "needs an arena of more than 1,024 bytes" in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("model", ["kws", "ad"])
@pytest.mark.parametrize(("board", "kernels"), KINDS)
def test_mlperf_tiny(tmp_path: Path, model: str, board: str, kernels: str) -> None:
    data = ("--data", data_file("kws01.npz")) if model == "kws" else ()
    tflm = library(board, kernels).library
    done = build(tmp_path, model_file(model), "out", "-b", board, "--name", model, "--tflm", tflm, *data)
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert (report["validation"]["vectors"], report["validation"]["bit_exact"]) == (20, True)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("-b", "stm32f4"), 2, "pass --tflm DIR"),
        (("-b", "stm32f4", "--tflm", "."), 5, "not TensorFlow Lite Micro"),
        (("-b", "hifive1", "--tflm", "."), 2, "for Arm cores only, not for rv32imac"),
        (("-b", "stm32f4", "--tflm", ".", "--toolchain", "zig"), 2, "needs GCC"),
    ],
)
def test_what_can_t_be_linked_is_refused(folder: Path, options: tuple[str, ...], code: int, message: str) -> None:
    done = build(folder, "small.tflite", "nothing", *options)
    assert done.code == code
    assert message in done.out
    assert not (folder / "nothing").exists()


def test_without_tflm_it_says_how_to_get_it(folder: Path) -> None:
    done = build(folder, "small.tflite", "nothing", "-b", "stm32f4")
    assert "github.com/tensorflow/tflite-micro" in done.out


def test_the_other_runtime_says_what_was_checked(folder: Path) -> None:
    done = tinygen("build", "small.tflite", "-b", "stm32f4", "--out", "aot", "--json", cwd=folder)
    assert done.code == 0, done.err
    notes = json.loads(done.out)["notes"]
    assert any("registers exactly their 7 kinds of operators" in note for note in notes)
