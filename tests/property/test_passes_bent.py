"""Passes on models that can't be translated: they may refuse to touch them, but not fail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from strategies_passes import draw_dying_network

from tinygen.ir import Graph, problems
from tinygen.load.tflite import read_graph
from tinygen.lower import supported_kinds
from tinygen.optimize import optimize


@pytest.mark.parametrize("seed", range(30))
def test_bent_graphs_are_left_to_their_messages(seed: int) -> None:
    """Passes run before anybody has asked whether a model can be translated, so they may stumble over nothing."""
    rng = np.random.default_rng([9, seed])
    graph = read_graph(draw_dying_network(rng), source="test.tflite", name="m")
    for _ in range(12):
        bent = _bent(graph, rng)
        if not problems(bent):
            optimized, _ = optimize(bent)
            assert problems(optimized) == []


def _bent(graph: Graph, rng: np.random.Generator) -> Graph:
    """One thing changed: an operator's kind, inputs or options, or a tensor's shape, type or quantization."""
    ops, tensors = list(graph.ops), list(graph.tensors)
    i, t = int(rng.integers(len(ops))), int(rng.integers(len(tensors)))
    op, tensor = ops[i], tensors[t]
    match int(rng.integers(7)):
        case 0:
            ops[i] = replace(op, kind=str(rng.choice([*supported_kinds(), "CUSTOM(x)"])))
        case 1:
            ops[i] = replace(op, inputs=tuple(rng.permutation(np.array(op.inputs, object)).tolist()))
        case 2:
            ops[i] = replace(op, inputs=op.inputs[: int(rng.integers(len(op.inputs) + 1))])
        case 3:
            ops[i] = replace(op, inputs=tuple(None if rng.random() < 0.3 else x for x in op.inputs))
        case 4:
            ops[i] = replace(op, options={k: int(rng.integers(-2, 5)) for k in op.options})
        case 5:
            shape = tuple(int(d) for d in rng.permutation(tensor.shape))[int(rng.integers(2)) :]
            data = None if tensor.data is None else np.resize(tensor.data, shape)
            tensors[t] = replace(tensor, shape=shape, data=data)
        case _:
            tensors[t] = replace(tensor, quantization=None)
    return replace(graph, ops=tuple(ops), tensors=tuple(tensors))
