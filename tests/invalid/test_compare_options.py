"""``tinygen compare`` refuses before any work what no row can do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.cli import tinygen
from support.sample_models import small_cnn


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("user")
    (folder / "small.tflite").write_bytes(small_cnn().build())
    (folder / "bad.toml").write_text("[[step]]\nkind = 'squeeze'\n")
    (folder / "mine").mkdir()
    (folder / "mine" / "thesis.txt").write_text("precious")
    return folder


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--modes", "balanced,tiny"], "tiny is none of speed, size, ram, balanced"),
        (["--modes", ","], "give at least one name"),
        (["--runtimes", "aot,java"], "java is none of aot, tflm"),
        (["--runtimes", "aot,tflm"], "pass --tflm DIR"),
        (["--recipes", "as-is,sqeeze"], "recipe sqeeze: no such file"),
        (["--recipes", "bad.toml"], "1 mistake in the recipe"),
        (["--vectors", "some"], "--vectors some"),
        (["--flash", "lots"], "lots"),
        (["--data", "none.npz"], "none.npz: no such file"),
        (["--out", "mine"], "tinygen did not make it"),
        (["--board", "toaster"], "toaster"),
        (["--port", "/dev/ttyACM0"], "they need --emulator serial"),
        (["--emulator", "serial"], "name the port with --port"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_refused(folder: Path, options: list[str], words: str) -> None:
    done = tinygen("compare", "small.tflite", "-b", "stm32f4", "--out", "out", *options, "--json", cwd=folder)
    assert done.code == 2, done.err
    answer = json.loads(done.out)
    assert words in "\n".join([answer["message"], *answer["details"], answer["hint"]])
    assert not (folder / "out").exists()
    assert (folder / "mine" / "thesis.txt").read_text() == "precious"
