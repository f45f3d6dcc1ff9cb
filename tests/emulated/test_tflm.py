"""``tinygen build --runtime tflm``: TensorFlow Lite Micro's own interpreter on the emulated board.

It is not among the packages that `make test` installs: TINYGEN_TFLM names a checkout with a library for
Cortex-M4F, or an exported tree with one.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cli import Finished, tinygen
from support.firmware import needs_arm_gcc, needs_qemu
from support.sample_models import small_cnn
from support.shared import data_file, model_file

TFLM = os.environ.get("TINYGEN_TFLM", "")

pytestmark = [needs_arm_gcc, needs_qemu]
needs_tflm = pytest.mark.skipif(not TFLM, reason="TINYGEN_TFLM names no built TensorFlow Lite Micro")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("user")
    (folder / "small.tflite").write_bytes(small_cnn().build())
    rng = np.random.default_rng(1)
    np.savez(folder / "data.npz", x=rng.normal(0, 2, (9, 8, 8, 3)).astype(np.float32))
    return folder


def build(folder: Path, model: Path | str, out: str, *options: str | Path) -> Finished:
    return tinygen("build", model, "-b", "stm32f4", "--runtime", "tflm", "--out", out, "--json", *options, cwd=folder)


@pytest.fixture(scope="module")
def report(folder: Path) -> dict[str, Any]:
    done = build(folder, "small.tflite", "out", "--tflm", TFLM, "--data", "data.npz")
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


@needs_tflm
def test_every_bit(report: dict[str, Any]) -> None:
    validation = report["validation"]
    assert report["runtime"] == "tflm"
    assert (validation["vectors"], validation["bit_exact"]) == (9, True)
    assert validation["instructions_per_inference"] > 0
    assert report["layers"] == []


@needs_tflm
def test_parts_add_up(report: dict[str, Any]) -> None:
    flash, ram = report["flash"], report["ram"]
    assert flash["total"] == flash["weights"] + flash["kernels"] + flash["generated"] + flash["other"]
    assert flash["weights"] == len(small_cnn().build())
    assert flash["runtime"] > 5000
    assert 0 < flash["libc"] < flash["runtime"] + flash["kernels"]
    assert ram["total"] == ram["arena"] + ram["static"] + ram["stack"]
    assert 500 < ram["stack"] < 4096
    assert ram["static"] < 2048


@needs_tflm
def test_the_arena_was_measured(report: dict[str, Any], folder: Path) -> None:
    header = (folder / "out" / "small" / "tflm" / "small_tflm.h").read_text()
    assert "Measured on stm32f4" in header
    smallest, margin = map(int, re.findall(r"(\d+) bytes, and a margin of (\d+)", header)[0])
    assert f"#define SMALL_TFLM_ARENA_BYTES {smallest + margin}\n" in header
    assert report["ram"]["arena"] == smallest + margin
    manifest = json.loads((folder / "out" / "small" / "manifest.json").read_text())
    assert "tflm/small_tflm.h" in manifest["files"]
    assert any("arena" in note for note in report["notes"])
    assert any("library is" in note for note in report["notes"])


@needs_tflm
def test_less_than_the_smallest_is_not_enough(report: dict[str, Any], folder: Path, tmp_path: Path) -> None:
    """The board says so itself: init() returns that the arena is too small."""
    from tinygen.board import load_board
    from tinygen.build import build_firmware, find_tflm
    from tinygen.emulate import QemuEmulator, run_vectors
    from tinygen.errors import MismatchError
    from tinygen.ir import ModelInterface
    from tinygen.load.tflite import read_graph

    board = load_board("stm32f4")
    interface = ModelInterface.of(read_graph(small_cnn().build(), source="small.tflite", name="small"), "small")
    package = folder / "out" / "small"
    header = package / "tflm" / "small_tflm.h"
    text = header.read_text()
    smallest = int(re.findall(r"(\d+) bytes, and a margin", text)[0])
    vector = bytes(interface.inputs[0].bytes)
    try:
        for size, enough in ((smallest, True), (smallest - 16, False)):
            header.write_text(re.sub(r"(ARENA_BYTES) \d+\n", rf"\1 {size}\n", text))
            folders = tmp_path / str(size)
            tflm = find_tflm(Path(TFLM), board.cpu)
            built = build_firmware(package, interface, board, folders / "out", work_dir=folders / "work", tflm=tflm)
            if enough:
                run_vectors(QemuEmulator(board), board, built.validate_elf, interface, [vector])
            else:
                with pytest.raises(MismatchError, match="init\\(\\) failed"):
                    run_vectors(QemuEmulator(board), board, built.validate_elf, interface, [vector])
    finally:
        header.write_text(text)


@needs_tflm
def test_validate_again(report: dict[str, Any], folder: Path) -> None:
    done = tinygen("validate", "out", "--vectors", "5", cwd=folder)
    assert done.code == 0, done.err
    assert "5 random vectors" in done.out


@needs_tflm
def test_without_a_run_the_arena_is_the_reference_s(folder: Path) -> None:
    done = build(folder, "small.tflite", "unmeasured", "--tflm", TFLM, "--no-validate")
    assert done.code == 0, done.err
    header = (folder / "unmeasured" / "small" / "tflm" / "small_tflm.h").read_text()
    assert "64-bit reference interpreter" in header


@needs_tflm
def test_an_arena_that_does_not_fit(folder: Path, tmp_path: Path) -> None:
    from tinygen.resources import BOARDS

    text = (BOARDS / "stm32f4" / "board.toml").read_text().replace('size = "128K"', 'size = "7K"')
    (tmp_path / "board.toml").write_text(re.sub(r"overlay = .*\n", "", text))
    done = tinygen(
        "build", folder / "small.tflite", "-b", tmp_path / "board.toml", "--runtime", "tflm", "--tflm", TFLM,
        "--out", "out", cwd=tmp_path,
    )  # fmt: skip
    assert done.code == 3, done.err
    assert "needs an arena of more than 1,024 bytes" in done.err
    assert not (tmp_path / "out").exists()


@needs_tflm
@pytest.mark.slow
@pytest.mark.parametrize("model", ["kws", "ad"])
def test_mlperf_tiny(tmp_path: Path, model: str) -> None:
    data = ("--data", data_file("kws01.npz")) if model == "kws" else ()
    done = build(tmp_path, model_file(model), "out", "--name", model, "--tflm", TFLM, *data)
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert (report["validation"]["vectors"], report["validation"]["bit_exact"]) == (20, True)


def test_without_tflm_it_says_how_to_get_it(folder: Path) -> None:
    done = build(folder, "small.tflite", "nothing")
    assert done.code == 2
    assert "pass --tflm DIR" in done.out
    assert "github.com/tensorflow/tflite-micro" in done.out
    assert not (folder / "nothing").exists()


def test_a_folder_that_is_no_tflm(folder: Path) -> None:
    done = build(folder, "small.tflite", "nothing", "--tflm", folder)
    assert done.code == 5
    assert "not TensorFlow Lite Micro" in done.out


def test_the_other_runtime_says_what_was_checked(folder: Path) -> None:
    done = tinygen("build", "small.tflite", "-b", "stm32f4", "--out", "aot", "--json", cwd=folder)
    assert done.code == 0, done.err
    notes = json.loads(done.out)["notes"]
    assert any("registers exactly their 7 kinds of operators" in note for note in notes)
