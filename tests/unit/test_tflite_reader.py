"""Reading flatbuffers: what a sound model becomes, and what an inconsistent or unsupported one is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.model_builder import ModelBuilder, Output, pack, schema
from support.sample_models import small_cnn
from support.shared import MLPERF_TFLITE, model_file

from tinygen.errors import InputError, ModelError, UnsupportedError
from tinygen.ir import DType, Graph, Quantization, problems
from tinygen.load.tflite import read_graph


def read(data: bytes) -> Graph:
    return read_graph(data, source="m.tflite", name="m")


def refused(model: Any, kind: type[InputError], *words: str) -> None:
    with pytest.raises(kind) as caught:
        read(pack(model))
    text = str(caught.value)
    assert text.startswith("m.tflite: ")
    assert all(word in text for word in words), text
    assert caught.value.exit_code == 2


def first_tensor(model: Any, name: str) -> Any:
    return next(t for t in model.subgraphs[0].tensors if t.name == name)


# What a sound model becomes


def test_small_cnn() -> None:
    graph = read(small_cnn().build())
    assert graph.name == "m"
    assert [op.kind for op in graph.ops] == ["CONV_2D", "SPLIT", "ADD", "MEAN", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX"]
    assert [op.index for op in graph.ops] == list(range(7))
    image = graph.tensors[graph.inputs[0]]
    assert (image.name, image.dtype, image.shape, image.data) == ("image", DType.INT8, (1, 8, 8, 3), None)
    assert image.quantization == Quantization((float(np.float32(0.05)),), (3,))
    kernel = graph.input(graph.ops[0], 1)
    assert kernel.quantization is not None
    assert len(kernel.quantization.scales) == 4
    assert kernel.quantization.axis == 0
    assert kernel.data is not None
    assert kernel.data.dtype == np.int8
    assert kernel.data.shape == (4, 3, 3, 3)
    assert graph.optional_input(graph.ops[5], 2) is None


def test_constants_are_read_only_and_exact() -> None:
    arrays: list[np.ndarray] = [
        np.arange(-6, 6, dtype=np.int8).reshape(3, 4),
        np.arange(6, dtype=np.uint8),
        np.array([-30000, 30000], np.int16),
        np.array([[-(2**31)], [2**31 - 1]], np.int32),
        np.array([-(2**63), 2**63 - 1], np.int64),
        np.array([1.5, -0.0, 3e38], np.float32),
        np.array([True, False]),
        np.int32(7),
    ]
    b = ModelBuilder()
    x = b.input((1, 4))
    constants = [b.constant(a) for a in arrays]
    b.output(b.op("RELU", [x, *constants], shape=(1, 4)))
    graph = read(b.build())
    for index, array in zip(constants, arrays, strict=True):
        tensor = graph.tensors[index]
        assert tensor.data is not None
        assert tensor.dtype.value == array.dtype.name
        assert tensor.shape == tensor.data.shape == array.shape
        assert np.array_equal(tensor.data, array)
        assert not tensor.data.flags.writeable


def test_operator_beyond_the_old_codes() -> None:
    b = ModelBuilder()
    b.output(b.op("GELU", [b.input((1, 4))], shape=(1, 4), options={"approximate": True}))
    op = read(b.build()).ops[0]
    assert (op.kind, dict(op.options)) == ("GELU", {"approximate": True})


def test_no_options_table_gives_no_options() -> None:
    model = small_cnn().model()
    operator = model.subgraphs[0].operators[0]
    operator.builtinOptions, operator.builtinOptionsType = None, 0
    assert dict(read(pack(model)).ops[0].options) == {}


def test_custom_operator_is_named() -> None:
    b = ModelBuilder()
    b.output(b.op("CUSTOM:My\nOp", [b.input((1, 4))], shape=(1, 4)))
    assert read(b.build()).ops[0].kind == "CUSTOM(My\ufffdOp)"


def test_names_are_printable() -> None:
    b = ModelBuilder()
    b.output(b.op("RELU", [b.input((1, 4), name="a\n*/ \x1b[31mé")], shape=(1, 4)))
    assert read(b.build()).tensors[0].name == "a\ufffd*/ \ufffd[31mé"


def test_undecodable_name() -> None:
    data = small_cnn().build()
    assert read(data.replace(b"image", b"im\xff\xfee")).tensors[0].name == "im\ufffd\ufffde"


def test_dynamic_batch_in_the_signature_is_accepted() -> None:
    model = small_cnn().model()
    first_tensor(model, "image").shapeSignature = [-1, 8, 8, 3]
    assert read(pack(model)).tensors[0].shape == (1, 8, 8, 3)


def test_recorded_float_range_is_no_quantization() -> None:
    model = small_cnn().model()
    quantization = schema.QuantizationParametersT()
    quantization.min, quantization.max = [0.0], [1.0]
    first_tensor(model, "mean/axes").quantization = quantization
    graph = read(pack(model))
    assert next(t for t in graph.tensors if t.name == "mean/axes").quantization is None


@pytest.mark.parametrize("name", MLPERF_TFLITE)
def test_mlperf_models(name: str) -> None:
    graph = read(model_file(name).read_bytes())
    assert problems(graph) == []
    assert len(graph.ops) == {"kws": 13, "vww": 31, "ic": 16, "ad": 10}[name]
    assert {op.kind for op in graph.ops} <= {
        *("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "AVERAGE_POOL_2D", "RESHAPE", "SOFTMAX"),
    }
    convolutions = [op for op in graph.ops if op.kind.endswith("CONV_2D")]
    assert all(graph.input(op, 2).dtype is DType.INT32 for op in convolutions)


# What others are told: each case bends one thing of a sound model

Bend = Callable[[Any], None]


def tensor_field(name: str, field: str, value: object) -> Bend:
    return lambda model: setattr(first_tensor(model, name), field, value)


def quantization_field(name: str, field: str, value: object) -> Bend:
    return lambda model: setattr(first_tensor(model, name).quantization, field, value)


def operator_field(index: int, field: str, value: object) -> Bend:
    return lambda model: setattr(model.subgraphs[0].operators[index], field, value)


def graph_field(field: str, value: object) -> Bend:
    return lambda model: setattr(model.subgraphs[0], field, value)


def two_subgraphs(model: Any) -> None:
    model.subgraphs = model.subgraphs * 2


def custom_quantization(model: Any) -> None:
    quantization = first_tensor(model, "kernel").quantization
    quantization.detailsType, quantization.details = schema.QuantizationDetails.CustomQuantization, None
    quantization.details = schema.CustomQuantizationT()


def compressed(model: Any) -> None:
    entry = schema.MetadataT()
    entry.name, entry.buffer = "COMPRESSION_METADATA", 0
    model.metadata = [entry]


def outside_data(offset: int, size: int) -> Bend:
    def bend(model: Any) -> None:
        buffer = schema.BufferT()
        buffer.offset, buffer.size = offset, size
        model.buffers.append(buffer)
        first_tensor(model, "kernel").buffer = len(model.buffers) - 1

    return bend


def no_buffers(model: Any) -> None:
    model.buffers = None


def boolean_garbage(model: Any) -> None:
    tensor = first_tensor(model, "mean/axes")
    tensor.type, tensor.shape = schema.TensorType.BOOL, [4]
    model.buffers[tensor.buffer].data = np.full(4, 7, np.uint8)


def wrong_options_table(model: Any) -> None:
    operator = model.subgraphs[0].operators[0]
    operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.Pool2DOptions, schema.Pool2DOptionsT()


def option(index: int, field: str, value: object) -> Bend:
    return lambda model: setattr(model.subgraphs[0].operators[index].builtinOptions, field, value)


INCONSISTENT: dict[str, tuple[Bend, str]] = {
    "schema version": (lambda m: setattr(m, "version", 2), "schema version 2"),
    "no subgraph": (lambda m: setattr(m, "subgraphs", None), "no subgraph"),
    "no tensors": (graph_field("tensors", None), "is not one of the 0 tensors"),
    "no inputs": (graph_field("inputs", []), "the graph has no inputs"),
    "no outputs": (graph_field("outputs", None), "the graph has no outputs"),
    "input twice": (graph_field("inputs", [0, 0]), "twice"),
    "input out of range": (graph_field("inputs", [99]), "99"),
    "negative output": (graph_field("outputs", [-1]), "output -1"),
    "unknown element type": (tensor_field("image", "type", 99), 'tensor 0 ("image") has the unknown element type 99'),
    "negative dimension": (tensor_field("image", "shape", [-1, 8, 8, 3]), "shape [-1, 8, 8, 3] is not fixed"),
    "zero dimension": (tensor_field("image", "shape", [1, 8, 0, 3]), "shape [1, 8, 0, 3]"),
    "too many dimensions": (tensor_field("image", "shape", [1] * 9), "9 dimensions"),
    "huge shape": (tensor_field("image", "shape", [2**31 - 1] * 8), "more than a microcontroller can hold"),
    "signature of another rank": (tensor_field("image", "shapeSignature", [-1, 8]), "shape signature [-1, 8]"),
    "signature of another shape": (tensor_field("image", "shapeSignature", [-1, 9, 8, 3]), "shape signature"),
    "buffer out of range": (tensor_field("kernel", "buffer", 4000), 'tensor 1 ("kernel") has buffer 4000'),
    "no buffers": (no_buffers, "of 0"),
    "constant of another size": (tensor_field("kernel", "shape", [4, 3, 3, 4]), "108 bytes of data"),
    "constant of another type": (tensor_field("flat/shape", "type", schema.TensorType.INT16), "8 bytes of data"),
    "booleans of 7": (boolean_garbage, "neither 0 nor 1"),
    "data outside the file": (outside_data(1 << 40, 108), "reaches outside the file"),
    "no zero points": (quantization_field("kernel", "zeroPoint", None), "4 scales, but 0 zero points"),
    "too few scales": (quantization_field("kernel", "scale", [1.0]), "1 scales, but 4 zero points"),
    "axis out of range": (quantization_field("kernel", "quantizedDimension", 4), "axis 4"),
    "negative axis": (quantization_field("kernel", "quantizedDimension", -1), "axis -1"),
    "axis of another length": (quantization_field("kernel", "quantizedDimension", 1), "4 scales along axis 1"),
    "infinite scale": (quantization_field("image", "scale", [float("inf")]), "positive, finite"),
    "NaN scale": (quantization_field("image", "scale", [float("nan")]), "positive, finite"),
    "zero scale": (quantization_field("image", "scale", [0.0]), "positive, finite"),
    "zero point out of range": (quantization_field("image", "zeroPoint", [128]), "outside the range of int8"),
    "zero point far out of range": (quantization_field("bias", "zeroPoint", [0, 0, 0, 2**62]), "range of int32"),
    "operator code out of range": (operator_field(3, "opcodeIndex", 44), "op 3 has operator code 44, of 7"),
    "operand out of range": (operator_field(3, "inputs", [7, 400]), "op 3 (MEAN) refers to tensor 400"),
    "operand -2": (operator_field(3, "inputs", [7, -2]), "op 3 (MEAN) refers to tensor -2"),
    "output -1": (operator_field(3, "outputs", [-1]), "tensor -1"),
    "no output": (operator_field(3, "outputs", None), "op 3 (MEAN) has no output"),
    "read before written": (operator_field(2, "inputs", [5, 9]), "op 2 (ADD) reads tensor 9 before"),
    "written twice": (operator_field(2, "outputs", [3]), "op 2 (ADD) writes tensor 3 a second time"),
    "written constant": (operator_field(2, "outputs", [4]), "constant"),
    "options of another operator": (wrong_options_table, "op 0 (CONV_2D): Pool2DOptions where Conv2DOptions belong"),
    "unknown padding": (option(0, "padding", 9), "op 0 (CONV_2D): option padding has the unknown value 9"),
    "unknown activation": (option(2, "fusedActivationFunction", 77), "fused_activation_function"),
    "NaN option": (option(6, "beta", float("nan")), "op 6 (SOFTMAX): option beta is nan"),
}


@pytest.mark.parametrize(("bend", "message"), INCONSISTENT.values(), ids=INCONSISTENT)
def test_inconsistent(bend: Bend, message: str) -> None:
    model = small_cnn().model()
    bend(model)
    refused(model, ModelError, message)


def sparse(model: Any) -> None:
    first_tensor(model, "kernel").sparsity = schema.SparsityParametersT()


UNSUPPORTED: dict[str, tuple[Bend, str]] = {
    "two subgraphs": (two_subgraphs, "2 subgraphs"),
    "float16": (tensor_field("image", "type", schema.TensorType.FLOAT16), 'tensor 0 ("image"): element type FLOAT16'),
    "int4": (tensor_field("dense", "type", schema.TensorType.INT4), '("dense"): element type INT4'),
    "string": (tensor_field("image", "type", schema.TensorType.STRING), "element type STRING"),
    "variable": (tensor_field("image", "isVariable", True), 'tensor 0 ("image"): variables'),
    "sparse": (sparse, 'tensor 1 ("kernel"): stored sparsely'),
    "custom quantization": (custom_quantization, 'tensor 1 ("kernel"): a custom quantization scheme'),
    "compressed": (compressed, "compressed"),
    "data outside the flatbuffer": (outside_data(16, 108), "data outside the flatbuffer"),
    "unknown operator": (
        lambda m: setattr(m.operatorCodes[0], "builtinCode", 9999),
        "builtin operator 9999 is unknown",
    ),
}


@pytest.mark.parametrize(("bend", "message"), UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_unsupported(bend: Bend, message: str) -> None:
    model = small_cnn().model()
    bend(model)
    refused(model, UnsupportedError, message)


def test_all_unsupported_things_in_one_message() -> None:
    model = small_cnn().model()
    for bend, _ in (UNSUPPORTED["int4"], UNSUPPORTED["variable"], UNSUPPORTED["unknown operator"]):
        bend(model)
    refused(model, UnsupportedError, "3 things", "INT4", "variables", "9999")


def test_all_inconsistencies_in_one_message() -> None:
    model = small_cnn().model()
    INCONSISTENT["zero scale"][0](model)
    INCONSISTENT["axis out of range"][0](model)
    refused(model, ModelError, "2 inconsistencies", "axis 4", "finite")


def test_many_problems_are_cut_short() -> None:
    b = ModelBuilder()
    x = b.input((1, 4))
    b.output(*b.op_multi("SPLIT", [x], [Output((1, 0))] * 80))
    with pytest.raises(ModelError, match="80 inconsistencies") as caught:
        read(b.build())
    assert len(caught.value.details) == 51
    assert caught.value.details[-1] == "… and 30 more"


def test_builder_aligns_constants_as_the_schema_demands() -> None:
    b = ModelBuilder()
    values = [np.arange(k, k + 50 + k, dtype=np.uint8) for k in range(1, 9)]
    b.output(b.op("RELU", [b.input((1, 4)), *(b.constant(v) for v in values)], shape=(1, 4)))
    data = b.build()
    assert [data.index(v.tobytes()) % 16 for v in values] == [0] * len(values)
