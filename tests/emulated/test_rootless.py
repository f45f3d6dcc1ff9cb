"""What `pip install tinygen[rootless]` promises: a build without a cross GCC and without QEMU, to the last bit."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from support.cli import tinygen
from support.rootless import needs_unicorn, needs_zig
from support.sample_models import small_cnn

pytestmark = [needs_zig, needs_unicorn]
ROOT = Path(__file__).resolve().parents[2]


def test_build_without_gcc_and_qemu(tmp_path: Path) -> None:
    """The PATH is empty, so that neither is found; everything else comes from Python packages."""
    (tmp_path / "small.tflite").write_bytes(small_cnn().build())
    (tmp_path / "bin").mkdir()
    nothing = {"PATH": str(tmp_path / "bin")}
    arguments = ("build", "small.tflite", "--board", "stm32f4", "--vectors", "12", "--out", "out")
    done = tinygen(*arguments, "--json", cwd=tmp_path, env=nothing)
    assert done.code == 0, done.err
    report = json.loads(done.out)
    validation = report["validation"]
    assert (validation["emulator"], validation["vectors"], validation["bit_exact"]) == ("unicorn", 12, True)
    assert validation["emulator_version"].startswith("Unicorn ")
    assert report["toolchain"].startswith("zig ")
    assert any(note.startswith("Compiled by zig ") for note in report["notes"])
    assert any(note.startswith("Run in Unicorn ") for note in report["notes"])
    flash = report["flash"]
    assert flash["total"] == flash["weights"] + flash["kernels"] + flash["generated"] + flash["other"]
    # What was run can be run again.
    script = (tmp_path / "out/emulation/unicorn.sh").read_text()
    command = script.splitlines()[-1].partition("exec python3 ")[2].split()
    again = subprocess.run(
        [sys.executable, *command], cwd=tmp_path / "out/emulation", capture_output=True, text=True, check=True
    )
    assert again.stdout.splitlines()[-1] == "TG done 12"
    logged = (tmp_path / "out/emulation/uart.log").read_text()
    assert outputs(again.stdout) == outputs(logged)


@pytest.mark.parametrize("board", ["qemu-riscv32", "mps3-an547"])
def test_boards_that_unicorn_does_not_know(tmp_path: Path, board: str) -> None:
    """Zig builds for them, and the message about running promises nothing that Unicorn can't do."""
    (tmp_path / "small.tflite").write_bytes(small_cnn().build())
    (tmp_path / "bin").mkdir()
    nothing = {"PATH": str(tmp_path / "bin")}
    arguments = ("build", "small.tflite", "--board", board, "--out", "out")
    done = tinygen(*arguments, cwd=tmp_path, env=nothing)
    assert done.code == 5
    assert "qemu-system" in done.err and "Unicorn" not in done.err
    done = tinygen(*arguments, "--no-validate", cwd=tmp_path, env=nothing)
    assert done.code == 0, done.err
    assert "nothing is verified" in done.out


def test_zig_can_be_asked_for(tmp_path: Path) -> None:
    (tmp_path / "small.tflite").write_bytes(small_cnn().build())
    options = ("--toolchain", "zig", "--emulator", "unicorn", "--vectors", "2", "--out", "out")
    done = tinygen("build", "small.tflite", "-b", "microbit", *options, cwd=tmp_path)
    assert done.code == 0, done.err
    assert "bit-exact: 2 random vectors on unicorn" in done.out


@pytest.mark.slow
def test_the_example_in_an_environment_of_its_own(tmp_path: Path) -> None:
    """A wheel with the extra, in an environment whose PATH holds nothing but itself, builds the digits example.

    Packages that are installed here are lent, as they take gigabytes.
    """
    pytest.importorskip("sklearn", reason="the example takes its data from scikit-learn")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist"), cwd=ROOT)
    (wheel,) = (tmp_path / "dist").glob("tinygen-*.whl")
    venv = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", str(venv), cwd=tmp_path)
    python = venv / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index")
    run(*pip, str(wheel), cwd=tmp_path)
    (site,) = venv.glob("lib/python*/site-packages")
    (metadata,) = site.glob("tinygen-*.dist-info/METADATA")
    extra = re.findall(r"^Requires-Dist: ([\w-]+).*extra == 'rootless'", metadata.read_text(), re.MULTILINE)
    assert set(extra) == {"scikit-learn", "unicorn", "ziglang"}
    (site / "lent.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")

    run(str(python), str(ROOT / "examples/digits/train.py"), str(tmp_path), cwd=tmp_path)
    command = (str(venv / "bin" / "tinygen"), "build", "digits.keras", "-b", "stm32f4", "-d", "digits.npz")
    out = run(*command, "--vectors", "20", "--out", "out", cwd=tmp_path, path=str(venv / "bin"))
    assert "bit-exact: 20 vectors on unicorn" in out
    assert json.loads((tmp_path / "out/report.json").read_text())["toolchain"].startswith("zig ")


def outputs(log: str) -> list[str]:
    return [line.rstrip() for line in log.splitlines() if line.startswith("TG out ")]


def run(*command: str, cwd: Path, path: str | None = None) -> str:
    environment = {**os.environ, "COLUMNS": "200", **({"PATH": path} if path else {})}
    finished = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout
