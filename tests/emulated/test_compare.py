"""``tinygen compare`` from start to end."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cli import tinygen
from support.firmware import needs_arm_gcc, needs_qemu
from support.rootless import needs_zig
from support.sample_models import small_cnn
from support.tflm import library

pytestmark = [needs_arm_gcc, needs_qemu]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A .tflite, data for it, and its comparison in ``out``: two modes as it is, and a recipe that it can't have."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "small.tflite").write_bytes(small_cnn().build())
    rng = np.random.default_rng(1)
    np.savez(folder / "data.npz", x=rng.normal(0, 2, (30, 8, 8, 3)).astype(np.float32), y=rng.integers(0, 5, 30))
    arguments = ("compare", "small.tflite", "-b", "stm32f4", "-d", "data.npz", "--recipes", "as-is,prune")
    done = tinygen(*arguments, "--modes", "balanced,size", "--out", "out", "--json", cwd=folder)
    assert done.code == 0, done.err
    (folder / "stdout.json").write_text(done.out)
    return folder


@pytest.fixture(scope="module")
def rows(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    data = json.loads((folder / "stdout.json").read_text())
    return {(row["recipe"], row["mode"]): row for row in data["rows"]}


def test_rows_say_what_their_builds_say(folder: Path, rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    for mode in ("balanced", "size"):
        row = rows["as-is", mode]
        report = json.loads((folder / "out" / row["folder"] / "report.json").read_text())
        assert report["optimize"] == mode and report["validation"]["bit_exact"]
        assert row["flash_bytes"] == report["flash"]["total"]
        assert row["ram_bytes"] == report["ram"]["total"]
        assert row["instructions"] == report["validation"]["instructions_per_inference"]
        assert row["latency_ms"] == report["validation"]["latency_ms"] > 0
        assert row["metrics"] == report["metrics"]
        assert row["quality"] == report["accuracy"]["board"]
        assert (row["vectors"], row["agreement"], row["tuning_seconds"]) == (30, 1.0, None)


def test_size_and_speed_are_both_on_the_frontier(rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    balanced, size = rows["as-is", "balanced"], rows["as-is", "size"]
    assert size["flash_bytes"] < balanced["flash_bytes"]
    assert balanced["instructions"] < size["instructions"]
    assert size["frontier"] and balanced["frontier"]


def test_a_recipe_that_needs_training_is_refused_in_its_rows(rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    for mode in ("balanced", "size"):
        failure = rows["prune", mode]["failure"]
        assert failure["exit_code"] == 2
        assert "step 1 (prune): works on the float model" in failure["message"]


def test_files(folder: Path) -> None:
    out = folder / "out"
    assert (out / "compare.json").read_text() == (folder / "stdout.json").read_text()
    assert "<svg" in (out / "compare.html").read_text()
    assert sorted(p.name for p in (out / "builds").iterdir()) == ["as-is-balanced", "as-is-size"]
    assert (out / "builds" / "as-is-size" / "firmware" / "small.elf").is_file()


def test_table_and_what_does_not_fit(folder: Path) -> None:
    """Its own output folder may be replaced; a row over budget has exit code 3, the other is there."""
    latency = {row["mode"]: row["latency_ms"] for row in json.loads((folder / "stdout.json").read_text())["rows"][:2]}
    between = (latency["balanced"] + latency["size"]) / 2
    arguments = ("compare", "small.tflite", "-b", "stm32f4", "--out", "again", "--vectors", "2")
    done = tinygen(*arguments, "--latency", f"{between:.4f}", cwd=folder)
    assert done.code == 0, done.err
    assert "★  as-is" in done.out
    assert "as-is size: exit code 3" in done.out
    assert "quality was not measured" in done.out
    assert (folder / "again" / "compare.html").is_file()
    done = tinygen(
        "compare", "small.tflite", "-b", "stm32f4", "--out", "again", "--flash", "1000", "--json", cwd=folder
    )
    assert done.code == 3
    assert [row["failure"]["exit_code"] for row in json.loads(done.out)["rows"]] == [3, 3]


@needs_zig
def test_the_compiler_that_was_asked_for(folder: Path) -> None:
    arguments = ("compare", "small.tflite", "-b", "stm32f4", "--modes", "size", "--vectors", "2", "--toolchain", "zig")
    done = tinygen(*arguments, "--out", "zig", "--json", cwd=folder)
    assert done.code == 0, done.err
    (row,) = json.loads(done.out)["rows"]
    assert json.loads((folder / "zig" / row["folder"] / "report.json").read_text())["toolchain"].startswith("zig ")


def test_a_missing_compiler_is_told_before_any_work(folder: Path) -> None:
    bin_dir = folder / "bin"
    bin_dir.mkdir()
    (bin_dir / "qemu-system-arm").symlink_to(str(shutil.which("qemu-system-arm")))
    arguments = ("compare", "small.tflite", "-b", "stm32f4", "--toolchain", "gcc", "--out", "none")
    done = tinygen(*arguments, cwd=folder, env={"PATH": str(bin_dir)})
    assert done.code == 5
    assert "arm-none-eabi-gcc is not on the PATH" in done.err
    assert not (folder / "none").exists()


@pytest.mark.parametrize("board", ["stm32f4", "mps2-an500"])
def test_both_runtimes(folder: Path, board: str) -> None:
    """TensorFlow Lite Micro has one row, whatever the modes, and gives the same answers for more of everything."""
    tflm = library(board, "CMSIS-NN").library
    arguments = ("compare", "small.tflite", "-b", board, "-d", "data.npz", "--runtimes", "aot,tflm", "--tflm", tflm)
    done = tinygen(*arguments, "--vectors", "5", "--out", f"both-{board}", "--json", cwd=folder)
    assert done.code == 0, done.err
    rows = json.loads(done.out)["rows"]
    assert [(row["mode"], row["runtime"]) for row in rows] == [("size", "aot"), ("balanced", "aot"), ("", "tflm")]
    assert all(row["failure"] is None and row["agreement"] == 1.0 for row in rows)
    for figure in ("flash_bytes", "ram_bytes", "instructions"):
        assert rows[2][figure] > rows[1][figure] > 0
    assert not rows[2]["frontier"]


@pytest.mark.slow
def test_keras_recipes(tmp_path: Path) -> None:
    """The digits example: 16 values a tensor cost flash less, and hardly any right answers."""
    train = ROOT / "examples" / "digits" / "train.py"
    subprocess.run([sys.executable, train, tmp_path], check=True, capture_output=True)
    arguments = ("compare", "digits.keras", "-b", "stm32f4", "-d", "digits.npz", "--recipes", "ptq,cluster")
    env = {"TINYGEN_CACHE": str(tmp_path / "cache")}
    done = tinygen(*arguments, "--vectors", "60", "--out", "out", "--json", cwd=tmp_path, env=env, timeout=900)
    assert done.code == 0, done.err
    data = json.loads(done.out)
    assert (data["metric"], data["baseline"]) == ("accuracy", "ptq balanced")
    rows = {(row["recipe"], row["mode"]): row for row in data["rows"]}
    assert set(rows) == {(recipe, mode) for recipe in ("ptq", "cluster") for mode in ("balanced", "size")}
    for (recipe, _), row in rows.items():
        assert row["failure"] is None and row["vectors"] == 60
        assert row["metrics"]["accuracy"]["float"] > 0.9
        assert row["metrics"]["accuracy"]["board"] == row["metrics"]["accuracy"]["int8"] > 0.85
        assert row["agreement"] == 1.0 if recipe == "ptq" else row["agreement"] > 0.85
        assert row["tuning_seconds"] > 0
    assert rows["cluster", "size"]["tuning_seconds"] == rows["cluster", "balanced"]["tuning_seconds"]
    assert "which no recipe trained on" in data["notes"][0]
