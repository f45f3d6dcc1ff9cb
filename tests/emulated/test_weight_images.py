"""Clustered and pruned models in whole images within a limit of flash: every bit, and fast."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.cli import tinygen
from support.firmware import needs_arm_gcc, needs_qemu
from support.shared import model_file

from tinygen.compress.int8 import int8_weights
from tinygen.compress.rewriting import clustered, sparsified

pytestmark = [pytest.mark.slow, needs_arm_gcc, needs_qemu]


def compressed(name: str, values: int, zeros: float, depthwise: int) -> bytes:
    """A model whose layers have so many values each, and such a share of zeros.

    Args:
        depthwise: values in layers of 3x3 taps.
    """
    content = bytearray(model_file(name).read_bytes())
    for weights in int8_weights(content):
        if zeros:
            weights.write(sparsified(weights.matrix, zeros))
        count = depthwise if len(weights.matrix) == 9 else values
        codes, _ = clustered(weights, count, per_channel=False, keep_zeros=zeros > 0, rescale=False)
        weights.write(codes)
    return bytes(content)


@pytest.mark.parametrize(
    ("name", "values", "depthwise", "zeros", "limit", "instructions"),
    [
        pytest.param("kws", 16, 16, 0.0, 24, 3_300_000, id="kws, 16 values"),
        pytest.param("kws", 8, 8, 0.0, 20, 3_300_000, id="kws, 8 values"),
        pytest.param("kws", 4, 8, 0.0, 19, 3_200_000, id="kws, 4 values, 8 in depthwise layers"),
        pytest.param("kws", 8, 8, 0.6, 19, 3_400_000, id="kws, 60 % zeros and 8 values"),
        pytest.param("kws", 16, 16, 0.6, 19, 3_500_000, id="kws, 60 % zeros and 16 values"),
        pytest.param("ad", 16, 16, 0.0, 150, 580_000, id="ad, 16 values"),
    ],
)
def test_fits_its_limit(
    name: str, values: int, depthwise: int, zeros: float, limit: int, instructions: int, tmp_path: Path
) -> None:
    (tmp_path / "model.tflite").write_bytes(compressed(name, values, zeros, depthwise))
    report = build(tmp_path, "--flash", f"{limit}K")
    assert report["validation"]["bit_exact"]
    assert report["flash"]["total"] <= limit * 1024
    assert report["validation"]["instructions_per_inference"] <= instructions
    assert any("lut" in layer["form"] for layer in report["layers"])


def build(folder: Path, *arguments: str) -> dict[str, Any]:
    done = tinygen("build", "model.tflite", "--board", "stm32f4", "--out", "out", "--json", *arguments, cwd=folder)
    assert done.code == 0, done.err
    return json.loads(done.out)
