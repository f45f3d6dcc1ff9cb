"""``tinygen build`` from start to end: a small model on the emulated board, well and badly."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile
from support.cli import tinygen
from support.firmware import needs_arm_gcc, needs_qemu
from support.sample_models import small_cnn

pytestmark = [needs_arm_gcc, needs_qemu]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, data for it, and a finished build in ``out``."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "small.tflite").write_bytes(small_cnn().build())
    rng = np.random.default_rng(1)
    np.savez(folder / "data.npz", x=rng.normal(0, 2, (40, 8, 8, 3)).astype(np.float32), y=rng.integers(0, 5, 40))
    arguments = ("build", "small.tflite", "--board", "stm32f4", "--data", "data.npz", "--out", "out")
    done = tinygen(*arguments, "--vectors", "all", "--json", cwd=folder)
    assert done.code == 0, done.err
    (folder / "stdout.json").write_text(done.out)
    return folder


@pytest.fixture(scope="module")
def report(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "stdout.json").read_text())


def test_every_bit_of_all_vectors(report: dict[str, Any]) -> None:
    validation = report["validation"]
    assert report["status"] == "ok"
    assert (validation["vectors"], validation["mismatches"], validation["bit_exact"]) == (40, 0, True)
    assert validation["emulator"] == "qemu"
    assert report["accuracy"]["board"] == report["accuracy"]["int8"]
    assert report["metric"] == "accuracy"
    assert list(report["metrics"]) == ["accuracy", "f1", "auc"]
    assert all(values["board"] == values["int8"] for values in report["metrics"].values())


def test_report_adds_up(report: dict[str, Any]) -> None:
    flash, ram = report["flash"], report["ram"]
    assert flash["total"] == flash["weights"] + flash["kernels"] + flash["generated"] + flash["other"]
    assert ram["total"] == ram["arena"] + ram["static"] + ram["stack"]
    assert 0 < ram["stack"] < 2048
    total = report["validation"]["instructions_per_inference"]
    # Layers are measured on one vector, the total is the median of all: counts depend a little on the data.
    assert 0.9 * total < sum(layer["instructions"] for layer in report["layers"]) < 1.05 * total
    assert report["model"]["ops"] == {
        "ADD": 1, "CONV_2D": 1, "FULLY_CONNECTED": 1, "MEAN": 1, "RESHAPE": 1, "SOFTMAX": 1, "SPLIT": 1
    }  # fmt: skip
    assert set(report) >= {"schema", "tinygen", "name", "board", "runtime", "stages"}


def test_output_layout(folder: Path) -> None:
    expected = (
        "small/include/small.h", "small/src/small.c", "small/src/small_weights.c", "small/tflm/small_tflm.cc",
        "small/tflm/small_model.h", "small/tflm/small_model.c", "small/CMakeLists.txt", "small/README.md",
        "small/manifest.json", "firmware/small.elf", "firmware/small.hex", "firmware/small.map",
        "firmware/small_validate.elf", "model.tflite", "report.json", "report.html",
    )  # fmt: skip
    for path in expected:
        assert (folder / "out" / path).is_file(), path
    assert any((folder / "out" / "emulation").iterdir())
    assert json.loads((folder / "out" / "report.json").read_text())["status"] == "ok"


def test_firmware_is_the_same_from_another_folder(folder: Path, tmp_path: Path) -> None:
    for name in ("small.tflite", "data.npz"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    arguments = ("build", "small.tflite", "-b", "stm32f4", "-d", "data.npz", "--vectors", "all")
    done = tinygen(*arguments, "--out", "elsewhere", cwd=tmp_path)
    assert done.code == 0, done.err
    for path in ("firmware/small.elf", "firmware/small_validate.elf", "firmware/small.hex", "small/manifest.json"):
        assert (tmp_path / "elsewhere" / path).read_bytes() == (folder / "out" / path).read_bytes(), path


def test_validate_again_on_other_data(folder: Path) -> None:
    done = tinygen("validate", "out", "--vectors", "7", cwd=folder)
    assert done.code == 0, done.err
    assert "7 random vectors" in done.out


def test_inspect_shows_what_a_build_measured(folder: Path, report: dict[str, Any]) -> None:
    done = tinygen("inspect", "out", cwd=folder)
    assert done.code == 0, done.err
    assert f"{report['layers'][0]['instructions']:,}" in done.out
    assert "█" in done.out


def test_a_wrong_weight_is_found_and_its_layer_named(folder: Path, tmp_path: Path) -> None:
    """The profile and validation images get one flipped weight of the last layer; the first two stay right."""
    out = tmp_path / "out"
    subprocess.run(["cp", "-r", folder / "out", out], check=True)
    for name in ("small_validate.elf", "small_profile.elf"):
        flip_weights_of(out / "firmware" / name, op=5)
    done = tinygen("validate", out, cwd=tmp_path)
    assert done.code == 4
    assert "differ from the reference" in done.err
    assert "FULLY_CONNECTED" in done.err
    assert "is the first to differ" in done.err


def flip_weights_of(elf: Path, op: int) -> None:
    """Flip a bit in each of the first bytes of an operator's largest constant, whatever form it has."""
    data = bytearray(elf.read_bytes())
    with elf.open("rb") as stream:
        image = ELFFile(stream)
        symbols = [
            s for s in image.get_section_by_name(".symtab").iter_symbols() if s.name.startswith(f"small_op{op}_")
        ]
        weights = max(symbols, key=lambda s: s["st_size"])
        section = image.get_section(weights["st_shndx"])
        start = section["sh_offset"] + weights["st_value"] - section["sh_addr"]
    for i in range(start + 8, start + 16):
        data[i] ^= 0x40
    elf.write_bytes(data)


@pytest.mark.parametrize(("option", "limit", "word"), [("--flash", "1000", "flash"), ("--ram", "200", "RAM")])
def test_over_budget(folder: Path, tmp_path: Path, option: str, limit: str, word: str) -> None:
    done = tinygen("build", folder / "small.tflite", "-b", "stm32f4", "--out", "tight", option, limit, cwd=tmp_path)
    assert done.code == 3
    assert word in done.err
    assert "largest" in done.err
    assert not (tmp_path / "tight").exists()


def test_a_failed_build_leaves_the_old_one(folder: Path, tmp_path: Path) -> None:
    arguments = ("build", folder / "small.tflite", "-b", "stm32f4", "--out", "out", "--vectors", "2")
    assert tinygen(*arguments, cwd=tmp_path).code == 0
    before = (tmp_path / "out" / "report.json").read_bytes()
    assert tinygen(*arguments, "--flash", "2K", cwd=tmp_path).code == 3
    assert (tmp_path / "out" / "report.json").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("when", [0.3, 0.8, 1.5])
def test_a_killed_build_leaves_nothing(folder: Path, tmp_path: Path, when: float) -> None:
    command = [sys.executable, "-m", "tinygen", "build", str(folder / "small.tflite"), "-b", "stm32f4", "--out", "out"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(when)
    process.send_signal(signal.SIGKILL if when > 1 else signal.SIGTERM)
    code = process.wait(timeout=60)
    assert code != 0 or (tmp_path / "out" / "report.json").exists()  # a fast machine may have finished
    if code != 0:
        assert not (tmp_path / "out").exists()
