"""Facts for the TensorFlow Lite Micro runtime: its resolver's methods, its arena, and the flatbuffer as rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tinygen.errors import UnsupportedError
from tinygen.ir import DType, Graph, Op

__all__ = ["Registration", "TflmArena", "model_rows", "registrations"]

# Methods of MicroMutableOpResolver, without "Add", whose name is not the operator's in camel case.
_IRREGULAR = {
    "BATCH_MATMUL": "BatchMatMul",
    "CUMSUM": "CumSum",
    "PADV2": "PadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTM",
}
# Operators that micro_mutable_op_resolver.h of August 2026 knows, as TensorFlow Lite's schema names them.
_KNOWN = frozenset(
    word
    for line in (
        "ABS ADD ADD_N ARG_MAX ARG_MIN ASSIGN_VARIABLE AVERAGE_POOL_2D BATCH_MATMUL BATCH_TO_SPACE_ND BROADCAST_ARGS",
        "BROADCAST_TO CALL_ONCE CAST CEIL CONCATENATION CONV_2D COS CUMSUM DEPTHWISE_CONV_2D DEPTH_TO_SPACE",
        "DEQUANTIZE DIV DYNAMIC_UPDATE_SLICE ELU EMBEDDING_LOOKUP EQUAL EXP EXPAND_DIMS FILL FLOOR FLOOR_DIV",
        "FLOOR_MOD FULLY_CONNECTED GATHER GATHER_ND GREATER GREATER_EQUAL HARD_SWISH IF L2_NORMALIZATION L2_POOL_2D",
        "LEAKY_RELU LESS LESS_EQUAL LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC LOG_SOFTMAX MAXIMUM MAX_POOL_2D",
        "MEAN MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL PACK PAD PADV2 PRELU QUANTIZE READ_VARIABLE REDUCE_ALL REDUCE_MAX",
        "REDUCE_MIN RELU RELU6 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2 ROUND RSQRT SELECT_V2 SHAPE",
        "SIN SLICE SOFTMAX SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE SQUEEZE",
        "STRIDED_SLICE SUB SUM SVDF TANH TRANSPOSE TRANSPOSE_CONV UNIDIRECTIONAL_SEQUENCE_LSTM UNPACK VAR_HANDLE",
        "WHILE ZEROS_LIKE",
    )
    for word in line.split()
)
# Those for which CMSIS-NN brings Register_<operator>_INT8(), declared by the resolver's own header.
_WITH_INT8 = frozenset(
    word
    for line in (
        "ADD AVERAGE_POOL_2D CONV_2D DEPTHWISE_CONV_2D FULLY_CONNECTED MAXIMUM MAX_POOL_2D MINIMUM MUL",
        "SOFTMAX TRANSPOSE_CONV",
    )
    for word in line.split()
)
_BYTES_PER_ROW = 16


@dataclass(frozen=True, slots=True)
class TflmArena:
    """How much memory the interpreter gets.

    Attributes:
        smallest_bytes: the smallest that was found to work.
        comment: how it was found, a sentence for the generated code.
        margin_bytes: what is added to it.
    """

    smallest_bytes: int
    comment: str
    margin_bytes: int = 0

    @property
    def bytes(self) -> int:
        return self.smallest_bytes + self.margin_bytes


@dataclass(frozen=True, slots=True)
class Registration:
    """A call that registers an operator.

    Attributes:
        method: of ``MicroMutableOpResolver``.
        int8_operator: the operator, where all its uses are int8 and there is a registration for int8
            alone; else empty.
    """

    method: str
    int8_operator: str


def registrations(graph: Graph, *, source: str) -> tuple[Registration, ...]:
    """What registers exactly the operators of a flatbuffer, sorted.

    Args:
        graph: as read from the flatbuffer: what exact passes remove, the interpreter still asks for.
        source: what messages call the model.

    Raises:
        UnsupportedError: TensorFlow Lite Micro has no method for an operator; names all of them.
    """
    kinds = sorted({op.kind for op in graph.ops})
    unknown = [kind for kind in kinds if kind not in _KNOWN]
    if unknown:
        raise UnsupportedError(
            f"{source}: TensorFlow Lite Micro has no operator {', '.join(unknown)}",
            hint="Replace it in the Keras model by layers that convert to other operators.",
        )
    return tuple(
        sorted((Registration(_method(k), k if _is_int8(graph, k) else "") for k in kinds), key=lambda r: r.method)
    )


def _method(kind: str) -> str:
    return "Add" + (_IRREGULAR.get(kind) or "".join(map(_camel, kind.split("_"))))


def _camel(word: str) -> str:
    return word if word[0].isdigit() else word.capitalize()


def _is_int8(graph: Graph, kind: str) -> bool:
    return kind in _WITH_INT8 and all(_computes_in_int8(graph, op) for op in graph.ops if op.kind == kind)


def _computes_in_int8(graph: Graph, op: Op) -> bool:
    """Whether data and weights are int8; biases and shapes are int32."""
    inputs = {graph.tensors[t].dtype for t in op.inputs if t is not None}
    return inputs <= {DType.INT8, DType.INT32} and {graph.tensors[t].dtype for t in op.outputs} == {DType.INT8}


def model_rows(flatbuffer: bytes) -> Iterable[str]:
    """The flatbuffer as rows of C literals."""

    def rows() -> Iterator[str]:
        for start in range(0, len(flatbuffer), _BYTES_PER_ROW):
            yield ", ".join(f"0x{byte:02x}" for byte in flatbuffer[start : start + _BYTES_PER_ROW])

    return tuple(rows())
