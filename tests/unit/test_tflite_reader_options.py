"""Builtin options, as the schema names them and with its defaults."""

from __future__ import annotations

import pytest
import tflite
from support.model_builder import ModelBuilder

from tinygen.load.tflite import read_graph
from tinygen.load.tflite_options import enum_names, expected_options

OPTIONS: list[tuple[str, dict[str, object], dict[str, object]]] = [
    (
        "CONV_2D",
        {"stride_w": 2, "stride_h": 3, "padding": 1, "fused_activation_function": 3},
        {
            "padding": 1,
            "stride_w": 2,
            "stride_h": 3,
            "fused_activation_function": 3,
            "dilation_w_factor": 1,
            "dilation_h_factor": 1,
            "quantized_bias_type": 0,
        },
    ),
    (
        "DEPTHWISE_CONV_2D",
        {"depth_multiplier": 4, "dilation_h_factor": 2},
        {
            "padding": 0,
            "stride_w": 0,
            "stride_h": 0,
            "depth_multiplier": 4,
            "fused_activation_function": 0,
            "dilation_w_factor": 1,
            "dilation_h_factor": 2,
        },
    ),
    (
        "MAX_POOL_2D",
        {"filter_width": 2, "filter_height": 3},
        {
            "padding": 0,
            "stride_w": 0,
            "stride_h": 0,
            "filter_width": 2,
            "filter_height": 3,
            "fused_activation_function": 0,
        },
    ),
    ("SQUEEZE", {"squeeze_dims": (1, -1)}, {"squeeze_dims": (1, -1)}),
    ("SQUEEZE", {}, {"squeeze_dims": ()}),
    ("RESHAPE", {"new_shape": (1, -1)}, {"new_shape": (1, -1)}),
    ("SOFTMAX", {"beta": 0.5}, {"beta": 0.5}),
    ("LEAKY_RELU", {"alpha": 0.25}, {"alpha": 0.25}),
    ("REDUCE_MAX", {"keep_dims": True}, {"keep_dims": True}),
    ("CONCATENATION", {"axis": -1}, {"axis": -1, "fused_activation_function": 0}),
    ("SPLIT", {"num_splits": 3}, {"num_splits": 3}),
    ("ARG_MAX", {"output_type": 2}, {"output_type": 2}),
    ("MAXIMUM", {}, {}),
    ("RELU6", {}, {}),
    ("TRANSPOSE", {}, {}),
    (
        "STRIDED_SLICE",
        {"begin_mask": 1, "shrink_axis_mask": 6},
        {
            "begin_mask": 1,
            "end_mask": 0,
            "ellipsis_mask": 0,
            "new_axis_mask": 0,
            "shrink_axis_mask": 6,
            "offset": False,
        },
    ),
    (
        "RESIZE_NEAREST_NEIGHBOR",
        {"half_pixel_centers": True},
        {"align_corners": False, "half_pixel_centers": True},
    ),
    (
        "TRANSPOSE_CONV",
        {"stride_w": 2},
        {"padding": 0, "stride_w": 2, "stride_h": 0, "fused_activation_function": 0, "quantized_bias_type": 0},
    ),
]


@pytest.mark.parametrize(
    ("kind", "given", "expected"), OPTIONS, ids=[f"{k}-{i}" for i, (k, _, _) in enumerate(OPTIONS)]
)
def test_options(kind: str, given: dict[str, object], expected: dict[str, object]) -> None:
    b = ModelBuilder()
    b.output(b.op(kind, [b.input((1, 4))], shape=(1, 4), options=given))
    options = read_graph(b.build(), source="m.tflite", name="m").ops[0].options
    assert dict(options) == expected
    assert {k: type(v) for k, v in options.items()} == {k: type(v) for k, v in expected.items()}
    with pytest.raises(TypeError):
        options["new"] = 1  # type: ignore[index]


def test_every_operator_and_options_table_of_the_schema_belong_together() -> None:
    tables = set(enum_names(tflite.BuiltinOptions).values()) - {"NONE"}
    expected = {expected_options(kind) for kind in enum_names(tflite.BuiltinOperator).values()} - {None}
    # The two left over belong to operators that TFLM does not have.
    assert tables - expected == {"SequenceRNNOptions", "RandomOptions"}
    assert expected <= tables
