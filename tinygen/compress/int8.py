"""The int8 weights in a TensorFlow Lite flatbuffer: read, matched with their layers, rewritten in place.

Only numbers change (weights, biases, and their scales), never the file's structure, so that what the converter
made stays valid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.compress.constraints import Clusters
from tinygen.compress.fold import fold_batchnorm
from tinygen.compress.kernels import Kernel, Key, columns, kernels
from tinygen.compress.train import Variables
from tinygen.ir import Array

__all__ = ["Int8Weights", "TensorFacts", "bind", "facts", "int8_weights", "own_kernel", "write_clusters"]

# Operator -> (kind, position of the weights among its inputs, of the bias).
_OPERATORS = {
    "CONV_2D": ("conv", 1, 2),
    "DEPTHWISE_CONV_2D": ("depthwise", 1, 2),
    "FULLY_CONNECTED": ("dense", 1, 2),
    "TRANSPOSE_CONV": ("transposed", 1, 3),
}
# The converter rounds weights by half a step; fake quantization may lag behind by a little more.
_MATCH_STEPS = 2.0
_INT32 = np.iinfo(np.int32)


@dataclass(slots=True, eq=False)
class Int8Weights:
    """Views into the bytes of one operator's weights; writing to them rewrites the file.

    Attributes:
        operator: index in the flatbuffer.
        kind: of kernel.
        stored: int8, as TensorFlow Lite lays it out.
        scales: float32 [1 or channels].
        bias: int32 or int64 [channels], or ``None``; also for zeros that several operators have in common.
        bias_scales: float32 [1 or channels].
        input_scale: of the operator's input.
        input_tensor: its index.
        input_zero_point: of the input.
        shared: something else reads the same bytes, so that they must not change.
    """

    operator: int
    kind: str
    stored: NDArray[np.int8]
    scales: NDArray[np.float32]
    bias: Array | None
    bias_scales: NDArray[np.float32] | None
    input_scale: float
    input_zero_point: int
    input_tensor: int
    shared: bool

    @property
    def matrix(self) -> NDArray[np.int8]:
        """The weights as [inputs, channels]; a copy."""
        if self.kind == "depthwise":  # [1, h, w, channels]
            return self.stored.reshape(-1, self.stored.shape[-1]).copy()
        return np.ascontiguousarray(self.stored.reshape(self.stored.shape[0], -1).T)

    @property
    def real(self) -> NDArray[np.float64]:
        """The weights that are meant, [inputs, channels]."""
        return self.matrix.astype(np.float64) * self.scales

    def write(self, matrix: NDArray[np.int8], scales: NDArray[np.float64] | None = None) -> None:
        """Replace the weights, and their scales if given [1 or channels]; the bias keeps its meaning.

        Raises:
            ValueError: the file has fewer scales than are given.
        """
        if scales is not None:
            if len(self.scales) == 1 and len(scales) > 1:
                if not np.allclose(scales, scales[0]):
                    raise ValueError("one scale in the file, several are needed")
                scales = scales[:1]
            self._rescale_bias(scales)
            self.scales[:] = scales
        if self.kind == "depthwise":
            self.stored[...] = matrix.reshape(self.stored.shape)
        else:
            self.stored[...] = matrix.T.reshape(self.stored.shape)

    def shift_bias(self, real: NDArray[np.float64]) -> None:
        """Add to the biases [channels], in the outputs' real units."""
        if self.bias is None or self.bias_scales is None:
            return
        moved = self.bias + np.rint(real / self.bias_scales.astype(np.float64))
        self.bias[:] = np.clip(moved, _INT32.min, _INT32.max).astype(self.bias.dtype)

    def _rescale_bias(self, scales: NDArray[np.float64]) -> None:
        if self.bias_scales is None:
            return
        fresh = (self.input_scale * scales).astype(np.float32)
        if self.bias is not None:
            rounded = np.rint(self.bias * self.bias_scales.astype(np.float64) / fresh.astype(np.float64))
            self.bias[:] = np.clip(rounded, _INT32.min, _INT32.max).astype(self.bias.dtype)
        self.bias_scales[:] = fresh


def int8_weights(content: bytearray) -> list[Int8Weights]:
    """All int8 weights of a flatbuffer, in the order of its operators."""
    import tflite

    model = tflite.Model.GetRootAs(content)
    graph = model.Subgraphs(0)
    readers = Counter(
        graph.Tensors(tensor).Buffer()
        for i in range(graph.OperatorsLength())
        for tensor in set(graph.Operators(i).InputsAsNumpy().tolist()) - {-1}
    )
    # Writers of files may store equal scales once.
    owners = Counter(_address(_scales(graph.Tensors(i))) for i in range(graph.TensorsLength()))
    names = {value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)}
    found = []
    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        code = model.OperatorCodes(operator.OpcodeIndex())
        entry = _OPERATORS.get(names.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), ""))
        if entry is not None:
            weights = _open(model, graph, i, entry, readers, owners)
            if weights is not None:
                found.append(weights)
    return found


def _open(
    model: Any,
    graph: Any,
    index: int,
    entry: tuple[str, int, int],
    readers: Mapping[int, int],
    owners: Mapping[int, int],
) -> Int8Weights | None:
    """One operator's weights; ``None`` if they are not constant, or not int8 in a quantized operator."""
    import tflite

    kind, weights_at, bias_at = entry
    inputs = graph.Operators(index).InputsAsNumpy().tolist()
    tensor = graph.Tensors(inputs[weights_at])
    data = model.Buffers(tensor.Buffer())
    if tensor.Type() != tflite.TensorType.INT8 or data.DataIsNone():
        return None
    source = inputs[2 if kind == "transposed" else 0]
    fed = graph.Tensors(source)
    scales, bias, bias_scales = _scales(tensor), None, None
    if not scales.size or not _scales(fed).size:
        return None
    shared = readers[tensor.Buffer()] > 1 or owners[_address(scales)] > 1
    if len(inputs) > bias_at and inputs[bias_at] >= 0:
        bias_tensor = graph.Tensors(inputs[bias_at])
        wide = bias_tensor.Type() == tflite.TensorType.INT64
        bias = model.Buffers(bias_tensor.Buffer()).DataAsNumpy().view(np.int64 if wide else np.int32)
        bias_scales = _scales(bias_tensor)
        if readers[bias_tensor.Buffer()] > 1:
            # The converter stores zeros once for all layers without a bias: right for any scale, if nobody writes them.
            shared, bias = shared or bool(bias.any()), None
        shared = shared or owners[_address(bias_scales)] > 1
    return Int8Weights(
        operator=index,
        kind=kind,
        stored=data.DataAsNumpy().view(np.int8).reshape(tensor.ShapeAsNumpy()),
        scales=scales,
        bias=bias,
        bias_scales=bias_scales,
        input_scale=float(_scales(fed)[0]),
        input_zero_point=int(fed.Quantization().ZeroPointAsNumpy()[0]),
        input_tensor=int(source),
        shared=shared,
    )


def _scales(tensor: Any) -> NDArray[np.float32]:
    """A view of a tensor's scales; empty without."""
    quantization = tensor.Quantization()
    if quantization is None or quantization.ScaleLength() == 0:
        return np.zeros(0, np.float32)
    scales: NDArray[np.float32] = quantization.ScaleAsNumpy()
    return scales


def _address(array: NDArray[np.float32]) -> int:
    return int(array.__array_interface__["data"][0]) if array.size else 0


def own_kernel(weights: Int8Weights) -> Kernel:
    """A name and kind for weights of which no Keras layer is known."""
    inputs, channels = weights.matrix.shape
    kind, shape = weights.kind, weights.stored.shape
    if kind == "conv" and all(d == 1 for d in shape[1:-1]):
        kind = "pointwise"
    layout = {
        "depthwise": (inputs, channels, 1),
        "transposed": (inputs // shape[-1], channels, shape[-1]),
    }
    return Kernel(f"operator_{weights.operator}", "weights", kind, layout.get(kind, (inputs, channels)))


def bind(tflite: bytes, model: Any) -> tuple[dict[int, Kernel], list[str]]:
    """Find out which operator's weights come from which layer, by what they are: names tell too little.

    Returns:
        Operator index -> kernel; and layers whose weights are not found, with reasons.
    """
    folded, _ = fold_batchnorm(model)
    known = {kernel.key: kernel for kernel in kernels(folded)}
    free = dict(known)
    bindings = {}
    for weights in int8_weights(bytearray(tflite)):
        matrix, real = weights.matrix, weights.real
        scores = {}
        for key, kernel in free.items():
            w = columns(getattr(folded.get_layer(kernel.layer), kernel.attribute).numpy(), kernel.kind)
            if w.shape == matrix.shape:
                # A quantile, for single weights may be clipped by learned ranges.
                scores[key] = float(np.quantile(np.abs(w - real) / weights.scales, 0.99))
        best = min(scores, key=scores.__getitem__, default=None)
        if best is not None and scores[best] <= _MATCH_STEPS:
            bindings[weights.operator] = free.pop(best)
    return bindings, [f'"{layer}": its weights are not found among the int8 tensors' for layer, _ in free]


def write_clusters(
    tflite: bytes, bindings: Mapping[int, Kernel], clusters: Mapping[Key, Clusters], variables: Variables
) -> tuple[bytes, list[str]]:
    """Write the int8 codes that training has settled on, with their scales, over what the converter rounded.

    Returns:
        The flatbuffer, and the layers where that was not possible, with reasons.
    """
    content = bytearray(tflite)
    left = []
    for weights in int8_weights(content):
        kernel = bindings.get(weights.operator)
        if kernel is None or kernel.key not in clusters:
            continue
        found = clusters[kernel.key]
        try:
            if weights.shared:
                raise ValueError("something else reads the same bytes")
            weights.write(found.int8_codes(variables[kernel.key].numpy()), found.scales)
        except ValueError as error:
            left.append(f'"{kernel.layer}": its values are as the converter rounded them: {error}')
    return bytes(content), left


@dataclass(frozen=True, slots=True)
class TensorFacts:
    """What one operator's int8 weights turn out to have.

    Attributes:
        layer: name of the Keras layer, or ``operator_5``.
        zeros: share of zeros.
        values: different values in the tensor.
        values_per_channel: most different values in one output channel.
    """

    operator: int
    layer: str
    kind: str
    weights: int
    zeros: float
    values: int
    values_per_channel: int


def facts(tflite: bytes, bindings: Mapping[int, Kernel]) -> list[TensorFacts]:
    """What all int8 weights of a flatbuffer have."""
    result = []
    for weights in int8_weights(bytearray(tflite)):
        matrix = weights.matrix
        kernel = bindings.get(weights.operator) or own_kernel(weights)
        result.append(
            TensorFacts(
                operator=weights.operator,
                layer=kernel.layer,
                kind=kernel.kind,
                weights=matrix.size,
                zeros=round(float((matrix == 0).mean()), 4),
                values=len(np.unique(matrix)),
                values_per_channel=max(len(np.unique(column)) for column in matrix.T),
            )
        )
    return result
