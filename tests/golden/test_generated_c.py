"""The generated C of a small model, for review: what people will read and vendor."""

from __future__ import annotations

import pytest
from support.golden import check_golden
from support.host_runner import compile_model
from support.sample_models import small_cnn

FILES = (
    "include/small.h",
    "include/small_vectors.h",
    "src/small.c",
    "src/small_weights.h",
    "src/small_weights.c",
    "src/small_vectors.c",
    "src/arduino/tg_softmax.c",
    "tflm/small_tflm.cc",
    "tflm/small_tflm.h",
    "tflm/small_model.h",
    "CMakeLists.txt",
    "small-config.cmake",
    "small.mk",
    "library.json",
    "library.properties",
    "zephyr/CMakeLists.txt",
    "zephyr/Kconfig",
    "zephyr/module.yml",
    "README.md",
)


@pytest.mark.parametrize("path", FILES)
def test_generated_file(path: str, update_golden: bool) -> None:
    package = compile_model(small_cnn().build(), name="small", vectors=2).package
    check_golden(f"package/{path}", package.files[path].decode(), update=update_golden)
