"""The projects of firmware/examples, by the very commands of their README, on an emulated board."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import numpy as np
import pytest
from support.cli import tinygen
from support.firmware import needs_arm_gcc, needs_qemu
from support.vendoring import run

from tinygen.oracle import InProcessOracle
from tinygen.resources import FIRMWARE

pytestmark = [needs_arm_gcc, needs_qemu]
MODEL = Path(__file__).resolve().parents[1] / "models" / "digits_int8.tflite"
TIME_LIMIT = 60
needs_cmake = pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed")


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the folder, with the package where the README puts it."""
    folder = tmp_path_factory.mktemp("user") / "examples"
    shutil.copytree(FIRMWARE / "examples", folder)
    (generate,) = commands("tinygen")
    options = ["--name", "digits", *generate[generate.index("--board") :]]
    done = tinygen("generate", MODEL, *options, cwd=folder)
    assert done.code == 0, done.err
    return folder


def commands(program: str) -> list[list[str]]:
    """The README's commands of one program."""
    text = (FIRMWARE / "examples/README.md").read_text()
    return [shlex.split(line) for line in re.findall(rf"^    ({program} .*)$", text, re.MULTILINE)]


def uart(command: list[str], cwd: Path) -> list[str]:
    """What the firmware says, up to its verdict; QEMU is then stopped, since firmware does not end."""
    process = subprocess.Popen(
        command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    timer = Timer(TIME_LIMIT, os.killpg, (process.pid, signal.SIGKILL))
    timer.start()
    try:
        return list(_to_verdict(process))
    finally:
        timer.cancel()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _to_verdict(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout
    for line in process.stdout:
        yield line.strip()
        if line.strip() in {"passed", "FAILED"}:
            return


def reference(folder: Path) -> list[str]:
    """What the reference answers to the inputs that lie in the package."""
    text = (folder / "vendor/digits/src/digits_vectors.c").read_text()
    inputs = text[text.index("digits_vectors_input_0") : text.index("digits_vectors_output_0")]
    data = np.array([int(byte, 16) for byte in re.findall(r"0x(..)", inputs)], np.uint8).view(np.int8)
    oracle = InProcessOracle(MODEL.read_bytes())
    return [np.asarray(oracle.run(image)[0]).tobytes().hex() for image in data.reshape(-1, 1, 8, 8, 1)]


def assert_exact(lines: list[str], folder: Path) -> None:
    expected = [f"{output} as expected" for output in reference(folder)]
    assert len(expected) == 4
    assert [*expected, "passed"] == lines[-5:]


@needs_cmake
def test_cmake(examples: Path) -> None:
    for command in commands("cmake"):
        run(command, examples)
    (qemu,) = commands("qemu-system-arm")
    assert_exact(uart(qemu, examples), examples)


def test_make(examples: Path) -> None:
    (make,) = commands("make")
    assert_exact(uart(make, examples), examples)


def test_a_wrong_weight_fails(examples: Path, tmp_path: Path) -> None:
    """The firmware's own comparison can fail; Make compiles again what changed."""
    folder = tmp_path / "examples"
    shutil.copytree(examples, folder)
    weights = folder / "vendor/digits/src/digits_weights.c"
    text = weights.read_text()
    start = text.index("= {") + 4
    weights.write_text(text[:start] + re.sub(r"\d+", "77", text[start:], count=40))
    (make,) = commands("make")
    lines = uart(make, folder)
    assert lines[-1] == "FAILED"
    assert any(line.endswith("WRONG") for line in lines)
