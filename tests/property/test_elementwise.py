"""Elementwise operators, softmax and conversions in generated C against the reference interpreter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from strategies_elementwise import GENERATORS, UNARY, Rng, draw_unary, some_scale, zero_point
from support.host_runner import assert_exact, compile_model
from support.model_builder import ModelBuilder
from support.native import call_kernel

from tinygen.ir import Alias, Call
from tinygen.load.tflite import read_graph
from tinygen.lower import lower
from tinygen.oracle import InProcessOracle

# All functions of one value run the same two kernels; their tables are compared without C below.
GRAPHS = [(kind, number) for kind in GENERATORS for number in range(2 if kind in UNARY else 12)]
TABLES = 30
OVERLAPS = 20

ALL_BYTES = np.arange(-128, 128).astype(np.int8)


@pytest.mark.parametrize(("kind", "number"), GRAPHS)
def test_equals_reference(kind: str, number: int, tmp_path: Path) -> None:
    assert_exact(GENERATORS[kind](np.random.default_rng([11, number])), tmp_path, seed=number)


@pytest.mark.parametrize("kind", UNARY)
def test_table_equals_reference_for_every_input(kind: str) -> None:
    """All 256 inputs, for many quantizations."""
    for number in range(TABLES):
        tflite = draw_unary(np.random.default_rng([12, number]), kind, (256,))
        expected = InProcessOracle(tflite).run(ALL_BYTES)[0].reshape(-1)
        assert np.array_equal(single_step_on_all_bytes(tflite), expected), f"{kind} {number}"


@pytest.mark.parametrize("kind", ["ABS", "LEAKY_RELU", "RELU"])
def test_table_equals_reference_on_ties(kind: str) -> None:
    """Scales whose ratio brings an input close to a half: only a factor of double precision rounds it as TFLM does."""
    rng = np.random.default_rng(15)
    for _ in range(200):
        target = np.float32(2 ** rng.uniform(-8, -3))
        source = np.float32(float(target) * (rng.integers(0, 100) + 0.5) / rng.integers(1, 128))
        b = ModelBuilder()
        x = b.input((256,), scale=float(source))
        options = {"alpha": 1.5} if kind == "LEAKY_RELU" else None
        b.output(b.op(kind, [x], shape=(256,), scale=float(target), options=options))
        tflite = b.build()
        assert np.array_equal(single_step_on_all_bytes(tflite), InProcessOracle(tflite).run(ALL_BYTES)[0].reshape(-1))


def test_difference_equals_reference_for_every_pair(tmp_path: Path) -> None:
    """All 65,536 pairs, for scales that factors of single precision would get wrong."""
    first, second = (x.reshape(-1).astype(np.int8) for x in np.meshgrid(np.arange(-128, 128), np.arange(-128, 128)))
    rng = np.random.default_rng(0)
    for number in range(3):
        scales = [float(np.float32(2 ** rng.uniform(-8, -3))) for _ in range(2)]
        b = ModelBuilder()
        operands = [b.input(first.shape, scale=s) for s in scales]
        target = float(np.float32(max(scales) * 2 ** rng.uniform(-1, 1)))
        b.output(b.op("SUB", operands, shape=first.shape, scale=target))
        assert_exact(b.build(), tmp_path / str(number), vectors=[(first, second)])


@pytest.mark.parametrize(("source", "target"), [("int8", "int8"), ("int8", "uint8"), ("uint8", "int8")])
def test_requantization_equals_reference_for_every_input(source: str, target: str) -> None:
    for number in range(TABLES):
        tflite = draw_requantization(np.random.default_rng([13, number]), source, target)
        expected = InProcessOracle(tflite).run(ALL_BYTES.view(source))[0].reshape(-1)
        assert np.array_equal(single_step_on_all_bytes(tflite), expected.view(np.int8)), f"{number}"


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_dequantize_rounds_once_for_every_input(dtype: str, tmp_path: Path) -> None:
    """A single-precision product has the bits of the reference's double-precision one."""
    limits = np.iinfo(dtype)
    values = np.arange(limits.min, limits.max + 1).astype(dtype)
    for number, scale in enumerate([1 / 3, 0.1, 1.9999999, 1e-38, 1.2e-41, 1e30]):
        b = ModelBuilder()
        x = b.input(values.shape, dtype, scale=float(np.float32(scale)), zero_point=int(values[number * 17]))
        b.output(b.op("DEQUANTIZE", [x], shape=values.shape, dtype="float32"))
        assert_exact(b.build(), tmp_path / str(number), vectors=[(values,)])


@pytest.mark.parametrize("dtype", ["int8", "int16"])
@pytest.mark.parametrize("scale", [1.0, 0.25, 0.1, 1 / 3, 3e-5, 1e-38, 100.0])
def test_quantize_rounds_halves_away_from_zero(dtype: str, scale: float, tmp_path: Path) -> None:
    """Ties, their neighbours, numbers too small to be normal, and numbers far out of range."""
    scale = float(np.float32(scale))
    ties = (np.arange(-40, 40) + 0.5).astype(np.float32) * np.float32(scale)
    odd = np.array([0.0, -0.0, 1e-45, -1e-45, 1.1e-38, 127.4 * scale, -32768.6 * scale], np.float32)
    far = np.array([1e6, -1e6, 1048576, -1048576, 1e9, -1e9], np.float32) * np.float32(scale)
    up, down = np.float32(np.inf), np.float32(-np.inf)
    values = np.concatenate([ties, np.nextafter(ties, up), np.nextafter(ties, down), odd, far])
    b = ModelBuilder()
    x = b.input(values.shape, "float32")
    b.output(b.op("QUANTIZE", [x], shape=values.shape, dtype=dtype, scale=scale, zero_point=-3))
    assert_exact(b.build(), tmp_path, vectors=[(values,)])


def test_quantize_saturates_where_the_reference_is_undefined() -> None:
    """Quotients beyond 32 bits: TFLM's cast is undefined for them, and saturates on a Cortex-M."""
    b = ModelBuilder()
    x = b.input((5,), "float32")
    b.output(b.op("QUANTIZE", [x], shape=(5,), scale=0.5, zero_point=7))
    (call,) = compile_model(b.build()).program.calls
    output = np.zeros(5, np.int8)
    values = np.array([np.inf, -np.inf, np.nan, 3e38, -3e38], np.float32)
    call_kernel(call, [values.view(np.int8), output])
    assert output.tolist() == [127, -128, 7, 127, -128]


@pytest.mark.parametrize("depth", [1, 255, 511])
def test_softmax_of_the_longest_rows_that_the_reference_takes(depth: int, tmp_path: Path) -> None:
    """TFLM aborts when exponentials sum up to 512, as those of 512 equal values do."""
    b = ModelBuilder()
    x = b.input((1, depth), scale=0.05, zero_point=0)
    b.output(b.op("SOFTMAX", [x], shape=(1, depth), scale=1 / 256, zero_point=-128, options={"beta": 1.0}))
    assert_exact(b.build(), tmp_path)


def test_softmax_of_longer_rows_is_defined(tmp_path: Path) -> None:
    """Rows that TFLM refuses only while it runs give small shares, and no undefined behaviour."""
    b = ModelBuilder()
    x = b.input((1, 4095), scale=0.05, zero_point=0)
    b.output(b.op("SOFTMAX", [x], shape=(1, 4095), scale=1 / 256, zero_point=-128, options={"beta": 1.0}))
    (call,) = compile_model(b.build()).program.calls
    output = np.zeros(4095, np.int8)
    call_kernel(call, [np.full(4095, 3, np.int8), output])
    assert set(output.tolist()) <= {-128, -127}


@pytest.mark.parametrize("kind", GENERATORS)
def test_output_may_overlap_input_by_lead(kind: str) -> None:
    """A kernel whose output begins ``lead`` bytes before an operand computes the same."""
    for number in range(OVERLAPS):
        compiled = compile_model(GENERATORS[kind](np.random.default_rng([14, number])))
        graph = compiled.graph
        for step in compiled.program.steps:
            if isinstance(step, Alias):
                continue
            rng = np.random.default_rng(number)
            operands = [operand_bytes(graph.tensors[v.tensor], rng) for v in step.inputs]
            apart = np.zeros(graph.tensors[step.outputs[0].tensor].bytes, np.int8)
            call_kernel(step, [*operands, apart])
            for position, lead in step.lead.items():
                for distance in (lead, lead + 8):
                    arguments, output = overlapping(operands, position, distance, apart.size)
                    call_kernel(step, [*arguments, output])
                    assert np.array_equal(output[: apart.size], apart), f"{kind} {number}"


def operand_bytes(tensor: object, rng: Rng) -> np.ndarray:
    """Random contents of a tensor as bytes; moderate numbers where they are floats."""
    if tensor.dtype.numpy.kind == "f":
        return (rng.standard_normal(tensor.elements) * 4).astype(np.float32).view(np.int8)
    return rng.integers(-128, 128, tensor.bytes, dtype=np.int8)


def overlapping(
    operands: list[np.ndarray], position: int, distance: int, output_bytes: int
) -> tuple[list[np.ndarray], np.ndarray]:
    """The operands, one of which lies ``distance`` bytes after the start of an output, and that output."""
    size = max(distance + operands[position].size, output_bytes)
    # Offset so that the operand is aligned for its type wherever the output begins.
    arena = np.zeros(size + 16, np.int8)[(-distance) % 8 :]
    arena[distance : distance + operands[position].size] = operands[position]
    inside = arena[distance : distance + operands[position].size]
    return [inside if i == position else o for i, o in enumerate(operands)], arena


def single_step_on_all_bytes(tflite: bytes) -> np.ndarray:
    """What the lowered program's only step makes of the bytes of -128 … 127 (or 128 … 255, 0 … 127)."""
    graph = read_graph(tflite, source="test.tflite", name="m")
    (step,) = lower(graph, source="test.tflite").steps
    if isinstance(step, Alias):
        return ALL_BYTES
    assert isinstance(step, Call)
    output = np.zeros(256, np.int8)
    call_kernel(step, [ALL_BYTES, output])
    return output


def draw_requantization(rng: Rng, source: str, target: str) -> bytes:
    """QUANTIZE of 256 bytes; often with the same scale, or with the zero points 128 apart."""
    scale = some_scale(rng)
    zero, target_zero = zero_point(rng, source), zero_point(rng, target)
    if rng.random() < 0.3:
        target_zero = int(np.clip(zero + {"int8": -128, "uint8": 128}[target], *limits_of(target)))
    ratio = float(rng.choice([1.0, 1.0, 2.0, rng.uniform(0.2, 5)]))
    b = ModelBuilder()
    x = b.input((256,), source, scale=scale, zero_point=zero)
    y = b.op(
        "QUANTIZE", [x], shape=(256,), dtype=target, scale=float(np.float32(scale * ratio)), zero_point=target_zero
    )
    b.output(y)
    return b.build()


def limits_of(dtype: str) -> tuple[int, int]:
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
