"""The wheel alone, away from the checkout: templates, boards and firmware must have travelled with it."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from support.firmware import needs_arm_gcc, needs_qemu
from support.sample_models import small_cnn

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@needs_arm_gcc
@needs_qemu
def test_installed_wheel_builds_firmware(tmp_path: Path) -> None:
    """The environment is empty but for the wheel; its dependencies are lent by the running one."""
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist"), cwd=ROOT)
    (wheel,) = (tmp_path / "dist").glob("tinygen-*.whl")
    venv = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", str(venv), cwd=tmp_path)
    python = venv / "bin" / "python"
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--no-deps",
        "--no-index",
        str(wheel),
        cwd=tmp_path,
    )
    (site,) = venv.glob("lib/python*/site-packages")
    # A path line is appended behind the environment's own packages, and .pth files there are not followed,
    # so an editable tinygen in the lender stays out of sight.
    (site / "lent.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")

    where = run(str(python), "-c", "import tinygen; print(tinygen.__file__)", cwd=tmp_path)
    assert str(site) in where
    (tmp_path / "small.tflite").write_bytes(small_cnn().build())
    command = (
        str(venv / "bin" / "tinygen"),
        "build",
        "small.tflite",
        "--board",
        "stm32f4",
        "--vectors",
        "5",
        "--out",
        "out",
    )
    assert "bit-exact" in run(*command, cwd=tmp_path)
    assert (tmp_path / "out" / "firmware" / "small.elf").is_file()


def run(*command: str, cwd: Path) -> str:
    finished = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout
