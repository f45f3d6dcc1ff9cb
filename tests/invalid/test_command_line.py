"""One bad input for each error: its exit code, one clear message, no traceback, nothing left behind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.cli import tinygen
from support.model_builder import ModelBuilder
from support.sample_models import small_cnn

CASES = {
    # name: (arguments, exit code, what the message must contain)
    "missing model": (["build", "nowhere.tflite", "-b", "stm32f4"], 2, "no such file"),
    "empty model": (["build", "empty.tflite", "-b", "stm32f4"], 2, "empty"),
    "not a model": (["build", "text.txt", "-b", "stm32f4"], 2, "text.txt"),
    "truncated": (["build", "cut.tflite", "-b", "stm32f4"], 2, "cut.tflite"),
    "unknown board": (["build", "small.tflite", "-b", "stm32f5"], 2, "stm32f4"),
    "no board": (["build", "small.tflite"], 2, "--board"),
    "unknown emulator": (["build", "small.tflite", "-b", "stm32f4", "--emulator", "bochs"], 2, "bochs"),
    "bad size": (["build", "small.tflite", "-b", "stm32f4", "--flash", "much"], 2, "--flash"),
    "negative size": (["build", "small.tflite", "-b", "stm32f4", "--ram", "-3K"], 2, "--ram"),
    "bad vectors": (["build", "small.tflite", "-b", "stm32f4", "--vectors", "0"], 2, "--vectors"),
    "missing data": (["build", "small.tflite", "-b", "stm32f4", "-d", "nowhere.npz"], 2, "nowhere.npz"),
    "data of another shape": (["build", "small.tflite", "-b", "stm32f4", "-d", "wrong.npz"], 2, "wrong.npz"),
    "data with NaN": (["build", "small.tflite", "-b", "stm32f4", "-d", "nan.npz"], 2, "NaN"),
    "unsupported operators": (["build", "strange.tflite", "-b", "stm32f4"], 2, "COS"),
    "not our folder": (["build", "small.tflite", "-b", "stm32f4", "--out", "precious"], 2, "--force"),
    "output is a file": (["build", "small.tflite", "-b", "stm32f4", "--out", "text.txt"], 2, "not a folder"),
    "name without letters": (["build", "small.tflite", "-b", "stm32f4", "--name", "%%"], 2, "--name"),
    "unknown option": (["build", "small.tflite", "-b", "stm32f4", "--fast"], 2, "--fast"),
    "unknown command": (["compile"], 2, "compile"),
    "nothing to validate": (["validate", "precious"], 2, "report.json"),
    "damaged report": (["validate", "damaged"], 2, "report.json"),
    "keras without data": (["build", "model.keras", "-b", "stm32f4"], 2, ""),
    "generate over something else": (["generate", "small.tflite", "--out", "taken"], 2, "--force"),
    "inspect garbage": (["inspect", "text.txt"], 2, "text.txt"),
    "unknown board to show": (["boards", "show", "esp8266"], 2, "esp8266"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    model = small_cnn().build()
    (folder / "small.tflite").write_bytes(model)
    (folder / "cut.tflite").write_bytes(model[: len(model) // 2])
    (folder / "empty.tflite").write_bytes(b"")
    (folder / "text.txt").write_text("This is no model.\n")
    (folder / "model.keras").write_bytes(b"PK\3\4 not really")
    (folder / "strange.tflite").write_bytes(_strange_model())
    np.savez(folder / "wrong.npz", x=np.zeros((4, 5, 5, 3), np.float32))
    np.savez(folder / "nan.npz", x=np.full((4, 8, 8, 3), np.nan, np.float32))
    for path in ("precious/thesis.txt", "taken/small/thesis.txt", "damaged/report.json"):
        (folder / path).parent.mkdir(parents=True)
        (folder / path).write_text('{"tinygen": 1}')
    return folder


def _strange_model() -> bytes:
    """Two operators that tinygen doesn't know, so that both must be in the message."""
    b = ModelBuilder()
    x = b.input((1, 4), "int8", scale=0.1)
    cos = b.op("COS", [x], shape=(1, 4), scale=0.1)
    b.output(b.op("SIN", [cos], shape=(1, 4), scale=0.1))
    return b.build()


@pytest.mark.parametrize("case", CASES)
def test_exit_code_and_message(case: str, folder: Path) -> None:
    arguments, code, text = CASES[case]
    before = sorted(folder.rglob("*"))
    done = tinygen(*arguments, cwd=folder)
    assert done.code == code, done.err
    assert text in done.err
    assert "Traceback" not in done.err + done.out
    assert sorted(folder.rglob("*")) == before, "something was left behind"
    assert (folder / "precious/thesis.txt").read_text() == '{"tinygen": 1}'


def test_all_unsupported_operators_in_one_message(folder: Path) -> None:
    done = tinygen("build", "strange.tflite", "-b", "stm32f4", cwd=folder)
    assert "2 operators" in done.err
    assert "COS" in done.err
    assert "SIN" in done.err


def test_missing_compiler(folder: Path) -> None:
    arguments = ("build", "small.tflite", "-b", "stm32f4", "--no-validate", "--toolchain", "gcc")
    done = tinygen(*arguments, cwd=folder, env={"PATH": ""})
    assert done.code == 5
    assert "arm-none-eabi-gcc" in done.err
    assert "apt install" in done.err


def test_missing_emulator(folder: Path) -> None:
    done = tinygen("build", "small.tflite", "-b", "stm32f4", "--emulator", "qemu", cwd=folder, env={"PATH": ""})
    assert done.code == 5
    assert "qemu-system-arm" in done.err


def test_errors_as_json(folder: Path) -> None:
    done = tinygen("build", "nowhere.tflite", "-b", "stm32f4", "--json", cwd=folder)
    error = json.loads(done.out)
    assert (done.code, error["exit_code"], error["error"]) == (2, 2, "ModelError")
    assert "nowhere.tflite" in error["message"]
