"""What operators that move and reduce elements refuse, what costs nothing, and how their loops are merged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from support.model_builder import ModelBuilder, Output

from tinygen.ir import Alias, Call, Constant, Graph, Op, Step
from tinygen.load.tflite import read_graph
from tinygen.lower import live_operator
from tinygen.lower.layout import Blocks, Loop, blocks, lead_of, odometer_steps
from tinygen.lower.reduce import mean_rescale
from tinygen.lower.requantize import Rescale
from tinygen.lower.resize import nearest_neighbors

Shape = Sequence[int]


class Model:
    """A model of one operator whose inputs and outputs share a quantization unless a test says otherwise."""

    def __init__(self) -> None:
        self.builder = ModelBuilder()

    def input(self, shape: Shape, dtype: str = "int8", scale: float = 0.5, zero_point: int = 3) -> int:
        quantized = {"scale": scale, "zero_point": zero_point} if dtype == "int8" else {}
        return self.builder.input(shape, dtype, **quantized)

    def ints(self, *values: object, dtype: str = "int32") -> int:
        return self.builder.constant(np.array(values), dtype)

    def graph(
        self,
        kind: str,
        inputs: Sequence[int | None],
        *shapes: Shape,
        dtype: str = "int8",
        scale: float = 0.5,
        **options: object,
    ) -> Graph:
        quantized = {"scale": scale, "zero_point": 3} if dtype == "int8" else {}
        outputs = [Output(tuple(s), dtype, **quantized) for s in shapes]
        self.builder.output(*self.builder.op_multi(kind, inputs, outputs, options=options))
        return read_graph(self.builder.build(), source="t.tflite", name="t")


def only_op(graph: Graph) -> Op:
    (op,) = graph.ops
    return op


def reasons(graph: Graph) -> str:
    op = only_op(graph)
    return "; ".join(live_operator(op).check(op, graph))


def steps(graph: Graph) -> list[Step]:
    assert not reasons(graph)
    return list(live_operator(only_op(graph)).lower(only_op(graph), graph))


def call(graph: Graph) -> Call:
    (step,) = steps(graph)
    assert isinstance(step, Call)
    return step


def values(call: Call, name: str) -> list[int]:
    constant = call.params[name]
    assert isinstance(constant, Constant)
    return [int(v) for v in constant.data.reshape(-1).astype(np.int64)]


def graph_of(kind: str, shape: Shape, out: Shape, *constants: object, dtype: str = "int8", **options: object) -> Graph:
    """An operator whose first input is a tensor and whose others are int32 constants."""
    model = Model()
    source = model.input(shape, dtype)
    others = [model.ints(*c) if isinstance(c, list) else model.ints(c) for c in constants]
    return model.graph(kind, [source, *others], out, dtype=dtype, **options)


REFUSED = {
    "reshape to other size": (graph_of("RESHAPE", (2, 3), (7,)), "6 elements in, but 7"),
    "squeeze of a long dimension": (graph_of("SQUEEZE", (1, 3), (3,), squeeze_dims=(1,)), "dimension 1 of shape"),
    "squeeze beyond the rank": (graph_of("SQUEEZE", (1, 3), (3,), squeeze_dims=(5,)), "axis 5 of a tensor with 2"),
    "expand_dims to a wrong shape": (graph_of("EXPAND_DIMS", (2, 3), (2, 3, 1), [1]), "[2, 1, 3] follows"),
    "expand_dims of int32": (graph_of("EXPAND_DIMS", (2,), (1, 2), [0], dtype="int32"), "takes float32, int16, int8"),
    "expand_dims by a matrix": (graph_of("EXPAND_DIMS", (2,), (1, 2), [[0]]), "1 axes in 2 dimensions"),
    "negative padding": (graph_of("PAD", (4,), (3,), [[-1, 0]]), "negative paddings [-1, 0]; use a slice"),
    "padding of a wrong size": (graph_of("PAD", (4,), (6,), [[1, 0]]), "[5] follows"),
    "six dimensions padded": (graph_of("PAD", (1,) * 6, (1,) * 6, [[0, 0]] * 6), "6 dimensions; 1 to 5"),
    "mirror beyond the tensor": (graph_of("MIRROR_PAD", (3,), (6,), [[3, 0]], mode=0), "3 mirrored elements"),
    "concatenation with activation": (
        graph_of("CONCATENATION", (3,), (3,), axis=0, fused_activation_function=1),
        "fused activation; use a separate activation layer",
    ),
    "concatenation along no axis": (graph_of("CONCATENATION", (3,), (3,), axis=1), "axis 1 of a tensor with 1"),
    "concatenation of a wrong length": (graph_of("CONCATENATION", (3,), (4,), axis=0), "3 along axis 0"),
    "unpack into too few": (graph_of("UNPACK", (3, 2), (2,), axis=0, num=1), "outputs of 1 along axis 0"),
    "split that loses its axis": (graph_of("SPLIT_V", (2, 3), (2,), [3], 1), "[2, 1] follows"),
    "slice outside": (graph_of("SLICE", (4,), (2,), [3], [2]), "leads out of it"),
    "stride of 0": (graph_of("STRIDED_SLICE", (4,), (4,), [0], [4], [0]), "the stride of dimension 0 is 0"),
    "ellipsis": (
        graph_of("STRIDED_SLICE", (4,), (4,), [0], [4], [1], ellipsis_mask=1),
        "ellipsis mask is not supported by TensorFlow Lite Micro; write the slice out",
    ),
    "new axis": (graph_of("STRIDED_SLICE", (4,), (1, 4), [0], [4], [1], new_axis_mask=1), "new axis mask"),
    "five dimensions sliced": (
        graph_of("STRIDED_SLICE", (1,) * 5, (1,) * 5, [0] * 5, [1] * 5, [1] * 5),
        "supports 1 to 4",
    ),
    "shrinking backwards": (
        graph_of("STRIDED_SLICE", (4, 2), (2,), [1, 0], [0, 2], [-1, 1], shrink_axis_mask=1),
        "removed with the stride -1",
    ),
    "fewer begins than dimensions": (
        graph_of("STRIDED_SLICE", (4, 2), (4, 2), [0], [4], [1]),
        "1 begins, 1 ends and 1 strides for 2 dimensions",
    ),
    "reversing distant dimensions": (graph_of("REVERSE_V2", (2, 3, 4), (2, 3, 4), [0, 2]), "not [0, 2]"),
    "no permutation": (graph_of("TRANSPOSE", (2, 2), (2, 2), [0, 0]), "[0, 0] is no permutation"),
    "six dimensions transposed": (graph_of("TRANSPOSE", (1,) * 6, (1,) * 6, [*range(6)]), "supports 1 to 5"),
    "resize to another size": (graph_of("RESIZE_NEAREST_NEIGHBOR", (1, 2, 2, 1), (1, 4, 4, 1), [4, 5]), "[1, 4, 5, 1]"),
    "blocks of 0": (graph_of("DEPTH_TO_SPACE", (1, 2, 2, 4), (1, 2, 2, 4), block_size=0), "blocks of 0x0"),
    "odd image": (graph_of("SPACE_TO_DEPTH", (1, 3, 4, 1), (1, 1, 2, 4), block_size=2), "an image of 3x4"),
    "padded space_to_batch": (
        graph_of("SPACE_TO_BATCH_ND", (1, 3, 1), (2, 2, 1), [2], [[1, 0]]),
        "TensorFlow Lite Micro's result is undefined; convert the model with a fixed batch",
    ),
    "everything cropped": (graph_of("BATCH_TO_SPACE_ND", (2, 1, 1), (1, 1, 1), [2], [[1, 1]]), "leave an image of 0"),
    "gather outside": (graph_of("GATHER", (3,), (1,), [3]), "indices 3 to 3 of a dimension of length 3"),
    "broadcast of 2 to 3": (graph_of("BROADCAST_TO", (2,), (3,), [3]), "can't be repeated to [3]"),
    "mean along no axis": (graph_of("MEAN", (2, 3), (2,), [2]), "axis 2 of a tensor with 2 dimensions"),
    "mean of float": (graph_of("MEAN", (2, 3), (2,), [1], dtype="float32"), "translated for int8 only"),
    "mean of a wrong shape": (graph_of("MEAN", (2, 3), (3,), [1]), "2 results, but the output has shape [3]"),
    "arg_max of float": (graph_of("ARG_MAX", (2, 3), (2,), 1, dtype="float32"), "takes int8"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_with_a_reason(name: str) -> None:
    graph, reason = REFUSED[name]
    assert reason in reasons(graph)


def test_refuses_computed_geometry() -> None:
    model = Model()
    axis = model.builder.input((1,), "int32")
    found = reasons(model.graph("MEAN", [model.input((2, 3)), axis], (2,)))
    assert "the axes is computed at run time; it must be a constant" in found


def test_refuses_a_missing_input() -> None:
    model = Model()
    model.input((3,))
    assert "the input is missing" in reasons(model.graph("RESHAPE", [None], (3,)))


def test_refuses_concatenation_of_different_scales() -> None:
    model = Model()
    graph = model.graph("CONCATENATION", [model.input((3,)), model.input((3,), scale=0.25)], (6,), axis=0)
    assert "input 1 and the output are quantized differently" in reasons(graph)


def test_refuses_more_inputs_than_tflm_takes() -> None:
    model = Model()
    graph = model.graph("CONCATENATION", [model.input((1,)) for _ in range(11)], (11,), axis=0)
    assert "11 inputs where TensorFlow Lite Micro takes 1 to 10" in reasons(graph)


def test_refuses_extremes_that_would_rescale() -> None:
    model = Model()
    graph = model.graph("REDUCE_MAX", [model.input((2, 3)), model.ints(1)], (2,), scale=0.25)
    assert "does not rescale here" in reasons(graph)


def test_refuses_a_padding_of_mixed_bytes() -> None:
    model = Model()
    value = model.builder.constant(np.array([1.0], np.float32))
    graph = model.graph("PADV2", [model.input((2,), "float32"), model.ints([1, 0]), value], (3,), dtype="float32")
    assert "whose bytes differ" in reasons(graph)


def test_refuses_indices_of_64_bits() -> None:
    model = Model()
    graph = model.graph("ARG_MAX", [model.input((2, 3)), model.ints(1)], (2,), dtype="int64")
    assert "output_type=tf.int32" in reasons(graph)


def test_refuses_an_output_type_that_is_none() -> None:
    model = Model()
    graph = model.graph("ARG_MAX", [model.input((2, 3)), model.ints(1)], (2,), dtype="int32", output_type=-1)
    assert "the unknown output type -1" in reasons(graph)


def test_index_constants_are_no_weights() -> None:
    graph = graph_of("MEAN", (1, 5, 7, 9), (1, 9), [1, 2])
    assert live_operator(only_op(graph)).weights_bytes(only_op(graph), graph) == 0


NOTHING_MOVES = {
    "reshape": graph_of("RESHAPE", (2, 3), (6,)),
    "transpose of ones": graph_of("TRANSPOSE", (1, 5, 1, 2), (5, 1, 1, 2), [1, 0, 2, 3]),
    "whole slice": graph_of("STRIDED_SLICE", (4, 2), (4, 2), [0, 0], [4, 2], [1, 1]),
    "no padding": graph_of("PAD", (4, 2), (4, 2), [[0, 0], [0, 0]]),
    "one input": graph_of("CONCATENATION", (4, 2), (4, 2), axis=1),
    "same size": graph_of("RESIZE_NEAREST_NEIGHBOR", (1, 4, 2, 3), (1, 4, 2, 3), [4, 2]),
    "blocks of one": graph_of("DEPTH_TO_SPACE", (1, 4, 2, 3), (1, 4, 2, 3), block_size=1),
    "greatest of one": graph_of("REDUCE_MAX", (4, 1, 3), (4, 3), [1]),
}


@pytest.mark.parametrize("name", NOTHING_MOVES)
def test_no_code_where_nothing_moves(name: str) -> None:
    (step,) = steps(NOTHING_MOVES[name])
    assert step == Alias(0, source=NOTHING_MOVES[name].inputs[0], target=NOTHING_MOVES[name].outputs[0])


def test_image_padding_is_rows() -> None:
    padded = call(graph_of("PAD", (1, 4, 5, 3), (1, 6, 8, 3), [[0, 0], [1, 1], [1, 2], [0, 0]]))
    assert (padded.params["head"], padded.params["block"], padded.params["tail"]) == (27, 15, 30)
    assert values(padded, "loop") == [4, 9]
    assert padded.params["value"] == 3


def test_channel_concatenation_is_one_loop_each() -> None:
    model = Model()
    graph = model.graph("CONCATENATION", [model.input((1, 4, 4, 3)), model.input((1, 4, 4, 5))], (1, 4, 4, 8), axis=-1)
    first, second = steps(graph)
    assert isinstance(first, Call) and isinstance(second, Call)
    assert values(first, "loop") == [16, 3, 8]
    assert values(second, "loop") == [16, 5, 8] and second.outputs[0].offset == 3


def test_global_average_is_one_loop_each_way() -> None:
    mean = call(graph_of("MEAN", (1, 5, 7, 9), (1, 9), [1, 2]))
    over = mean.params["over"]
    assert isinstance(over, dict)
    keep, fold = over["keep"], over["fold"]
    assert isinstance(keep, Constant) and isinstance(fold, Constant)
    assert keep.data.tolist() == [9, 1] and fold.data.tolist() == [35, 9]
    assert mean.params["bias"] == -3 * 35 and mean.lead == {0: 0}


def test_blocks_grow_over_what_is_contiguous() -> None:
    loops = [Loop(2, 60, 60), Loop(1, 7, 9), Loop(3, 20, 20), Loop(5, 4, 4)]
    assert blocks(4, loops) == Blocks(120, ())
    assert blocks(4, [Loop(2, 60, 90), Loop(3, 20, 30), Loop(5, 4, 4)]) == Blocks(20, (Loop(6, 20, 30),))


def test_odometer_steps_undo_the_inner_loops() -> None:
    # Offsets of loops (2 at 100) x (3 at 10) x (4 at 1): moving on starts from the last place reached.
    assert odometer_steps([4, 3, 2], [1, 10, 100], resting=0) == [1, 10 - 3, 100 - 20 - 3]
    assert odometer_steps([4, 3, 2], [1, 10, 100], resting=1) == [1, 10, 100 - 20]


def test_lead_of_a_slice_and_of_a_spread() -> None:
    assert lead_of(Blocks(1, (Loop(4, 2, 1),))) == 0  # every second byte: reading is always ahead
    assert lead_of(Blocks(3, (Loop(4, 3, 8),))) == 18  # the last block is written at 24 to 27 and read from 9


@pytest.mark.parametrize(
    ("align", "half", "expected"),
    [
        (False, False, [0, 0, 1, 1, 2]),
        (True, False, [0, 1, 1, 2, 2]),
        (False, True, [0, 0, 1, 2, 2]),
        (True, True, [0, 1, 1, 2, 2]),
    ],
)
def test_nearest_neighbors(align: bool, half: bool, expected: list[int]) -> None:
    assert nearest_neighbors(3, 5, align_corners=align, half_pixel=half).tolist() == expected


def test_mean_divides_the_multiplier() -> None:
    assert mean_rescale(1.0, 1) == Rescale(1 << 30, 1)
    assert mean_rescale(1.0, 4) == Rescale(1 << 30, -1)
    assert mean_rescale(1.0, 3) == Rescale((1 << 31) // 3, 0)
