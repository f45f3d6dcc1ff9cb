"""Which operators the generated resolver registers, and how."""

from __future__ import annotations

import numpy as np
import pytest
from support.host_runner import compile_model
from support.model_builder import ModelBuilder
from support.sample_models import small_cnn

from tinygen.codegen.tflm import TflmArena, registrations
from tinygen.errors import UnsupportedError
from tinygen.ir import DType, Graph, Op, Tensor
from tinygen.lower import supported_kinds


def graph_of(*kinds: str, dtype: DType = DType.INT8) -> Graph:
    tensors = (Tensor("x", dtype, (4,)), Tensor("y", dtype, (4,)))
    return Graph("g", tensors, tuple(Op(kind, (0,), (1,), index=i) for i, kind in enumerate(kinds)), (0,), (1,))


def test_names_of_methods() -> None:
    kinds = {
        "ADD": "AddAdd",
        "AVERAGE_POOL_2D": "AddAveragePool2D",
        "BATCH_MATMUL": "AddBatchMatMul",
        "DEPTHWISE_CONV_2D": "AddDepthwiseConv2D",
        "PADV2": "AddPadV2",
        "RELU6": "AddRelu6",
        "RESIZE_NEAREST_NEIGHBOR": "AddResizeNearestNeighbor",
        "UNIDIRECTIONAL_SEQUENCE_LSTM": "AddUnidirectionalSequenceLSTM",
    }
    found = registrations(graph_of(*reversed(kinds)), source="m.tflite")
    assert [r.method for r in found] == sorted(kinds.values())


def test_every_operator_that_tinygen_translates_is_known() -> None:
    assert len(registrations(graph_of(*supported_kinds()), source="m.tflite")) == len(supported_kinds())


def test_unknown_operators_all_at_once() -> None:
    with pytest.raises(
        UnsupportedError, match=r"m\.tflite: TensorFlow Lite Micro has no operator GELU, RANK"
    ) as caught:
        registrations(graph_of("RANK", "ADD", "GELU"), source="m.tflite")
    assert caught.value.exit_code == 2


def test_int8_alone_only_if_all_uses_are() -> None:
    assert registrations(graph_of("ADD", "ADD"), source="")[0].int8_operator == "ADD"
    assert registrations(graph_of("ADD", dtype=DType.INT16), source="")[0].int8_operator == ""
    assert registrations(graph_of("TANH"), source="")[0].int8_operator == ""


def test_operators_that_passes_remove_are_registered() -> None:
    """The interpreter reads the flatbuffer, in which they still are."""
    b = ModelBuilder()
    x = b.input((1, 4, 4, 1), scale=0.1)
    shape = b.constant(np.array([1, 16], np.int32))
    flat = b.op("RESHAPE", [x, shape], shape=(1, 16), scale=0.1, options={"new_shape": (1, 16)})
    b.output(b.op("SOFTMAX", [flat], shape=(1, 16), scale=1 / 256, zero_point=-128, options={"beta": 1.0}))
    package = compile_model(b.build()).package
    glue = package.files["tflm/m_tflm.cc"].decode()
    assert "MicroMutableOpResolver<2>" in glue
    assert "resolver.AddReshape()" in glue
    assert "resolver.AddSoftmax(M_REGISTER(SOFTMAX))" in glue


def test_the_arena_s_size_says_where_it_comes_from() -> None:
    header = compile_model(small_cnn().build()).package.files["tflm/m_tflm.h"].decode()
    assert "#define M_TFLM_ARENA_BYTES 1048576\n" in header
    assert "Not measured." in header
    assert TflmArena(1024, "", 64).bytes == 1088
