"""The generated package by itself: it compiles alone, everywhere, silently, and always to the same bytes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.host_runner import compile_model
from support.sample_models import small_cnn

from tinygen.codegen import Package
from tinygen.resources import FIRMWARE

STRICT = ["-std=c11", "-ffreestanding", "-Wall", "-Wextra", "-Wconversion", "-Wmissing-prototypes"]
STRICT += ["-pedantic", "-Werror"]
COMPILERS = {
    "x86-64": ["gcc"],
    "cortex-m0": ["arm-none-eabi-gcc", "-mcpu=cortex-m0", "-mthumb"],
    "cortex-m4f": ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"],
}


@pytest.fixture(scope="module")
def package() -> Package:
    return compile_model(small_cnn().build(), name="small").package


@pytest.mark.parametrize("target", COMPILERS)
@pytest.mark.parametrize("level", ["-Os", "-O3"])
def test_compiles_alone_without_a_warning(package: Package, target: str, level: str, tmp_path: Path) -> None:
    compiler, *flags = COMPILERS[target]
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    package.write(tmp_path)
    sources = [*tmp_path.glob("src/*.c"), *tmp_path.glob("kernels/**/*.c"), *tmp_path.glob("tflm/*.c")]
    assert len(sources) > 5
    for source in sources:
        include = f"-I{tmp_path / 'include'}"
        command = [compiler, *flags, level, *STRICT, include, "-c", str(source), "-o", str(tmp_path / "out.o")]
        finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("standard", ["c++11", "c++20"])
def test_header_is_cpp_too(package: Package, standard: str, tmp_path: Path) -> None:
    package.write(tmp_path)
    user = tmp_path / "user.cpp"
    user.write_text('#include "small.h"\nint main() { return small_init() == SMALL_OK ? 0 : 1; }\n')
    command = ["g++", f"-std={standard}", "-Wall", "-Wextra", "-pedantic", "-Werror", f"-I{tmp_path / 'include'}"]
    subprocess.run([*command, "-c", str(user), "-o", str(tmp_path / "user.o")], check=True, timeout=60)


def test_same_bytes_from_different_folders(tmp_path: Path) -> None:
    """Another folder, another hash seed, another locale: the same files."""
    outputs = []
    for number, seed in enumerate(("1", "2")):
        folder = tmp_path / f"copy{number}" / ("deep" * number)
        folder.mkdir(parents=True)
        (folder / "small.tflite").write_bytes(small_cnn().build())
        environment = {
            **os.environ,
            "PYTHONHASHSEED": seed,
            "LC_ALL": ("C", "C.UTF-8")[number],
            "COLUMNS": str(60 + number),
        }
        command = [sys.executable, "-m", "tinygen", "generate", "small.tflite", "--out", "gen", "--board", "stm32f4"]
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, timeout=120)
        outputs.append({p.relative_to(folder): p.read_bytes() for p in (folder / "gen").rglob("*") if p.is_file()})
    assert outputs[0] == outputs[1]
    assert not any(str(tmp_path).encode() in content for content in outputs[0].values())


def test_manifest_lists_every_file(package: Package) -> None:
    manifest = json.loads(package.files["manifest.json"])
    assert set(manifest["files"]) == set(package.files) - {"manifest.json"}


def test_nothing_in_it_but_what_the_model_uses(package: Package) -> None:
    kernels = {path for path in package.files if path.startswith("kernels/") and path.endswith(".c")}
    assert "kernels/softmax/tg_softmax.c" in kernels
    assert not any("transpose_conv" in path or "lookup" in path for path in kernels)


def test_kernels_include_by_relative_paths() -> None:
    """Or packages of two models in one project could read each other's headers."""
    files = sorted((FIRMWARE / "kernels").rglob("*.[ch]"))
    assert len(files) > 100
    for file in files:
        for include in re.findall(r'^#include "(.*)"', file.read_text(), re.MULTILINE):
            assert (file.parent / include).is_file(), f"{file.name} includes {include}"
