"""The MLPerf Tiny models through all passes: every output bit, and how much of them was dead."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.host_runner import assert_exact, random_vectors
from support.shared import MLPERF_TFLITE, model_file

from tinygen.ir import Graph
from tinygen.load.tflite import read_graph
from tinygen.lower import live_operator
from tinygen.optimize import optimize

# Of ReLU6 nets trained with weight decay, much is dead: an all-zero filter, or a bias that never gets over zero.
VWW_CONVOLUTION_BYTES = 207_600, 29_022
VWW_MACS = 7_489_664, 3_727_313


def read(name: str) -> Graph:
    return read_graph(model_file(name).read_bytes(), source=f"{name}.tflite", name=name)


@pytest.mark.parametrize("name", MLPERF_TFLITE)
def test_model_equals_reference(name: str, tmp_path: Path) -> None:
    """Random inputs, and all lowest, all highest and alternating ones."""
    tflite = model_file(name).read_bytes()
    graph = read(name)
    vectors = random_vectors(graph, np.random.default_rng(5))
    # Smooth inputs reach other layers' extremes than noise does.
    (index,) = graph.inputs
    shape = graph.tensors[index].shape
    ramp = np.linspace(-128, 127, int(np.prod(shape))).astype(np.int8).reshape(shape)
    vectors += [(ramp,), (np.flip(ramp),), (np.full(shape, 127, np.int8),), (np.zeros(shape, np.int8),)]
    assert_exact(tflite, tmp_path, vectors=vectors, optimize=True)


def test_visual_wake_words_sheds_its_dead_half() -> None:
    before = read("vww")
    after, effects = optimize(before)
    assert (convolution_bytes(before), convolution_bytes(after)) == VWW_CONVOLUTION_BYTES
    assert (macs(before), macs(after)) == VWW_MACS
    (effect,) = (e for e in effects if e.name == "dead_channels")
    assert effect.changed
    assert (effect.macs_before, effect.macs_after) == VWW_MACS


@pytest.mark.parametrize("name", MLPERF_TFLITE)
def test_tensors_keep_their_places(name: str) -> None:
    """What a layer writes is found at its index in the model file, with its name and its quantization."""
    before = read(name)
    after, _ = optimize(before)
    assert len(after.tensors) >= len(before.tensors)
    for op in after.ops:
        for t in op.outputs:
            old, new = before.tensors[t], after.tensors[t]
            assert (old.name, old.dtype, old.quantization) == (new.name, new.dtype, new.quantization)
            assert old.shape[:-1] == new.shape[:-1]
    assert {op.index for op in after.ops} <= {op.index for op in before.ops}


def convolution_bytes(graph: Graph) -> int:
    return sum(graph.input(op, 1).bytes for op in graph.ops if op.kind in ("CONV_2D", "DEPTHWISE_CONV_2D"))


def macs(graph: Graph) -> int:
    return sum(live_operator(op).macs(op, graph) for op in graph.ops)
