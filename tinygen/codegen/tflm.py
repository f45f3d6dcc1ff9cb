"""Facts for the TensorFlow Lite Micro runtime: its resolver's methods and the flatbuffer as rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tinygen.ir import Graph

__all__ = ["model_rows", "resolver_methods"]

# Where the method's name is not the operator's name in camel case (micro_mutable_op_resolver.h).
_IRREGULAR = {
    "AVERAGE_POOL_2D": "AddAveragePool2D",
    "BATCH_MATMUL": "AddBatchMatMul",
    "CONV_2D": "AddConv2D",
    "CUMSUM": "AddCumSum",
    "DEPTHWISE_CONV_2D": "AddDepthwiseConv2D",
    "L2_POOL_2D": "AddL2Pool2D",
    "MAX_POOL_2D": "AddMaxPool2D",
    "PADV2": "AddPadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "AddUnidirectionalSequenceLSTM",
}
_BYTES_PER_ROW = 16


def resolver_methods(graph: Graph) -> tuple[str, ...]:
    """``MicroMutableOpResolver`` methods that register exactly the operators used, sorted."""
    return tuple(sorted({_method(op.kind) for op in graph.ops}))


def _method(kind: str) -> str:
    return _IRREGULAR.get(kind) or "Add" + "".join(word.capitalize() for word in kind.split("_"))


def model_rows(flatbuffer: bytes) -> Iterable[str]:
    """The flatbuffer as rows of C literals."""

    def rows() -> Iterator[str]:
        for start in range(0, len(flatbuffer), _BYTES_PER_ROW):
            yield ", ".join(f"0x{byte:02x}" for byte in flatbuffer[start : start + _BYTES_PER_ROW])

    return tuple(rows())
