"""The graph's helpers, its text and its invariants."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from tinygen.ir import DType, Graph, Op, Quantization, Tensor, problems, to_text

Q = Quantization((0.5,), (3,))


def tensor(name: str = "t", shape: tuple[int, ...] = (1, 4), q: Quantization | None = Q) -> Tensor:
    return Tensor(name, DType.INT8, shape, q)


def constant(values: list[int]) -> Tensor:
    return Tensor("c", DType.INT8, (len(values),), None, np.array(values, np.int8))


def graph() -> Graph:
    """x -> ADD(x, x) -> y -> SUB(y, c, -) -> z, with c a constant."""
    return Graph(
        name="g",
        tensors=(tensor("x"), tensor("y;also/y"), constant([1, 2, 3, 4]), tensor("z"), tensor("nobody")),
        ops=(
            Op("ADD", (0, 0), (1,), MappingProxyType({"fused_activation_function": 0}), 0),
            Op("SUB", (1, 2, None), (3,), MappingProxyType({"dims": (1, 2), "flag": True, "alpha": 0.25}), 7),
        ),
        inputs=(0,),
        outputs=(3,),
    )


def test_accessors() -> None:
    g = graph()
    sub = g.ops[1]
    assert g.input(sub, 0).name == "y;also/y"
    assert g.optional_input(sub, 1) is g.tensors[2]
    assert g.optional_input(sub, 2) is None
    assert g.optional_input(sub, 3) is None
    assert g.output(sub).name == "z"
    with pytest.raises(AssertionError, match="op 7"):
        g.input(sub, 2)


def test_producers_consumers_and_used() -> None:
    g = graph()
    assert g.producers() == {1: 0, 3: 1}
    assert g.consumers() == {0: [0], 1: [1], 2: [1]}
    assert list(g.used_tensors()) == [0, 1, 2, 3]


def test_place() -> None:
    g = graph()
    assert g.place(g.ops[0]) == 'op 0 (ADD, "y")'
    assert g.place(replace(g.ops[1], outputs=())) == "op 7 (SUB)"


def test_sizes() -> None:
    assert Tensor("t", DType.INT16, (2, 3, 4)).bytes == 48
    assert Tensor("t", DType.INT64, ()).bytes == 8
    assert Tensor("t", DType.INT64, ()).elements == 1
    assert [d.bytes for d in DType] == [1, 1, 2, 4, 8, 4, 1]
    assert [d.c_type for d in DType] == ["int8_t", "uint8_t", "int16_t", "int32_t", "int64_t", "float", "bool"]


def test_quantization() -> None:
    assert (Q.per_tensor, Q.scale, Q.zero_point) == (True, 0.5, 3)
    several = Quantization((1.0, 2.0), (0, 0), 1)
    assert not several.per_tensor
    with pytest.raises(ValueError, match="too many"):
        _ = several.scale


def test_text() -> None:
    assert to_text(graph()).splitlines() == [
        "graph g",
        '  input  %0 int8[1,4] scale=0.5 zp=3 "x"',
        '  const  %2 int8[4] sha=9f64a747 "c"',
        '  op0    %1 = ADD(%0, %0) fused_activation_function=0 -> int8[1,4] scale=0.5 zp=3 "y"',
        '  op7    %3 = SUB(%1, %2, -) alpha=0.25 dims=[1,2] flag=True -> int8[1,4] scale=0.5 zp=3 "z"',
        "  output %3",
    ]


def test_text_shows_changed_weights() -> None:
    g = graph()
    other = replace(g, tensors=(*g.tensors[:2], constant([1, 2, 3, 5]), *g.tensors[3:]))
    assert to_text(g) != to_text(other)


def test_sound_graph_has_no_problems() -> None:
    assert problems(graph()) == []


def with_tensor(index: int, value: Tensor) -> Graph:
    g = graph()
    return replace(g, tensors=(*g.tensors[:index], value, *g.tensors[index + 1 :]))


def with_op(index: int, **changes: object) -> Graph:
    g = graph()
    ops = list(g.ops)
    ops[index] = replace(ops[index], **changes)  # type: ignore[arg-type]
    return replace(g, ops=tuple(ops))


BROKEN = {
    "no inputs": (replace(graph(), inputs=()), "no inputs"),
    "no outputs": (replace(graph(), outputs=()), "no outputs"),
    "input out of range": (replace(graph(), inputs=(5,)), "input 5"),
    "output out of range": (replace(graph(), outputs=(-1,)), "output -1"),
    "operand out of range": (with_op(1, inputs=(1, 9)), "refers to tensor 9"),
    "op without output": (with_op(1, outputs=()), "has no output"),
    "zero dimension": (with_tensor(1, tensor(shape=(1, 0))), "not fixed and positive"),
    "huge tensor": (with_tensor(1, tensor(shape=(1 << 20, 1 << 20))), "more than a microcontroller"),
    "data of another shape": (
        with_tensor(2, Tensor("c", DType.INT8, (5,), None, np.zeros(4, np.int8))),
        "data of shape [4]",
    ),
    "data of another type": (
        with_tensor(2, Tensor("c", DType.INT8, (4,), None, np.zeros(4, np.int16))),
        "data of type int16",
    ),
    "scales and zero points": (with_tensor(1, tensor(q=Quantization((1.0,), (0, 0)))), "1 scales, but 2 zero points"),
    "negative scale": (with_tensor(1, tensor(q=Quantization((-1.0,), (0,)))), "positive, finite"),
    "axis": (with_tensor(1, tensor(q=Quantization((1.0, 1.0), (0, 0), 1))), "2 scales along axis 1"),
    "constant input": (replace(graph(), inputs=(0, 2)), "graph input 2 is a constant"),
    "read before written": (with_op(0, inputs=(3, 0)), "reads tensor 3 before"),
    "written twice": (with_op(1, outputs=(1,)), "a second time"),
    "written input": (with_op(1, outputs=(0,)), "a second time"),
    "written constant": (with_op(1, outputs=(2,)), "writes the constant"),
    "unwritten output": (replace(graph(), outputs=(4,)), "output 4 is never written"),
}


@pytest.mark.parametrize(("broken", "message"), BROKEN.values(), ids=BROKEN)
def test_problems(broken: Graph, message: str) -> None:
    found = problems(broken)
    assert any(message in problem for problem in found), found


def test_unused_tensors_may_be_anything() -> None:
    assert problems(with_tensor(4, tensor(shape=(0,)))) == []
