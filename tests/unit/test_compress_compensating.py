"""Rounding with compensation: the same few values, closer outputs."""

from __future__ import annotations

import numpy as np
import pytest
import tflite as schema
from support.model_builder import ModelBuilder

from tinygen.compress import compensating
from tinygen.compress.compensating import Moments, compensated, input_moments
from tinygen.compress.constraints import fit_clusters
from tinygen.compress.int8 import int8_weights
from tinygen.oracle import InProcessOracle


def correlated(rng: np.random.Generator, count: int, inputs: int) -> np.ndarray:
    """Inputs that a few causes move together."""
    return rng.normal(0, 30, (count, 4)) @ rng.normal(0, 1, (4, inputs)) + rng.normal(0, 3, (count, inputs)) + 20


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("keep_zeros", [False, True])
def test_outputs_come_closer_by_the_same_values(per_channel: bool, keep_zeros: bool) -> None:
    rng = np.random.default_rng(1)
    x = correlated(rng, 800, 48)
    real = rng.normal(0, 0.3, (48, 10))
    keep = rng.random(real.shape) < 0.5 if keep_zeros else None
    real = real if keep is None else np.where(keep, real, 0)
    found = fit_clusters(real, "conv", 6, per_channel=per_channel, keep=keep, shared_scale=False)
    nearest, scales = found.int8_codes(real), np.asarray(found.scales)
    moments = Moments(np.zeros(48), np.zeros((48, 48)))
    for rows in np.split(x, 8):
        moments.add(rows)
    better = compensated(real, nearest, scales, moments, per_channel=per_channel, keep_zeros=keep_zeros)

    def error(codes: np.ndarray) -> float:
        difference = x @ (codes * scales - real)
        return float(((difference - difference.mean(axis=0)) ** 2).mean())

    assert error(better) < 0.5 * error(nearest)
    for channel in range(10) if per_channel else [slice(None)]:
        assert set(np.unique(better[:, channel])) <= set(np.unique(nearest[:, channel]))
    if keep is not None:
        assert not better[~keep].any()


def test_inputs_that_never_move_change_nothing() -> None:
    codes = np.arange(12, dtype=np.int8).reshape(4, 3)
    moments = Moments(np.zeros(4), np.zeros((4, 4)))
    moments.add(np.full((5, 4), 7.0))
    same = compensated(codes * 1.0, codes, np.ones(3), moments, per_channel=False, keep_zeros=False)
    assert np.array_equal(same, codes)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(
    ("taps", "stride", "dilation"), [((3, 3), (1, 1), (1, 1)), ((3, 2), (2, 1), (1, 1)), ((2, 3), (1, 1), (2, 2))]
)
def test_patches_are_what_the_convolution_multiplies(
    padding: str,
    taps: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compensating, "_PLACES", 10_000)
    rng = np.random.default_rng(2)
    b = ModelBuilder()
    x = b.input((1, 9, 8, 3), scale=0.05, zero_point=4)
    weights = b.constant(
        rng.integers(-127, 128, (5, *taps, 3), dtype=np.int8), scales=np.full(5, 0.01, np.float32), axis=0
    )
    bias = b.constant(np.zeros(5, np.int32), scales=np.full(5, 0.0005, np.float32), axis=0)
    reach = [(t - 1) * d + 1 for t, d in zip(taps, dilation, strict=True)]
    shape = [
        -(-n // s) if padding == "SAME" else (n - r) // s + 1 for n, s, r in zip((9, 8), stride, reach, strict=True)
    ]
    options = {
        "padding": getattr(schema.Padding, padding),
        "stride_h": stride[0],
        "stride_w": stride[1],
        "dilation_h_factor": dilation[0],
        "dilation_w_factor": dilation[1],
    }
    b.output(b.op("CONV_2D", [x, weights, bias], shape=(1, *shape, 5), scale=0.8, options=options))
    tflite = b.build()
    image = rng.integers(-128, 128, (1, 9, 8, 3), dtype=np.int8)
    (output,) = InProcessOracle(tflite).run(image)
    (layer,) = int8_weights(bytearray(tflite))
    (moments,) = input_moments(tflite, (image.astype(np.float32) - 4) * 0.05).values()
    assert moments.count == shape[0] * shape[1]
    real = moments.total @ layer.real * 0.05
    assert np.abs(output.astype(int)).max() < 127, "no output may be clipped"
    # Outputs are rounded, by 0.23 on average.
    assert np.allclose(real, output.reshape(-1, 5).sum(axis=0) * 0.8, atol=1.2 * moments.count**0.5)
