"""Random networks that take tensors apart and join them: along the height, where pieces lie in a row."""

from __future__ import annotations

import numpy as np

from support.chain_networks import SAME, NetworkBuilder, Rng, Value
from support.model_builder import Output

MAX_HEIGHT = 24


class ViewNetworkBuilder(NetworkBuilder):
    """A network whose values come in pieces and are parts of others."""

    def _output(self, height: int, like: Value) -> Output:
        shape = (1, height, *like.shape[2:])
        return Output(shape, scale=like.scale, zero_point=like.zero_point)

    def _take(self, tensor: int, height: int, like: Value) -> None:
        self.value = Value(tensor, (1, height, *like.shape[2:]), like.scale, like.zero_point)
        self.history.append(self.value)

    def split(self) -> None:
        """SPLIT_V into up to three pieces, all of which later layers may read."""
        whole = self.value
        cuts = sorted({self._int(1, max(whole.shape[1] - 1, 1)) for _ in range(2)} - {whole.shape[1]})
        heights = np.diff([0, *cuts, whole.shape[1]]).tolist()
        lengths = self.builder.constant(np.array(heights, np.int32))
        axis = self.builder.constant(np.int32(1))
        outputs = [self._output(h, whole) for h in heights]
        pieces = self.builder.op_multi(
            "SPLIT_V", [whole.tensor, lengths, axis], outputs, options={"num_splits": len(heights)}
        )
        for tensor, height in zip(pieces, heights, strict=True):
            self._take(tensor, height, whole)

    def slice(self) -> None:
        """SLICE or STRIDED_SLICE of some rows."""
        whole = self.value
        begin = self._int(0, whole.shape[1] - 1)
        end = self._int(begin + 1, whole.shape[1])
        first, last = [0, begin, 0, 0], [1, end, *whole.shape[2:]]
        if self.rng.random() < 0.5:
            kind, rows = "SLICE", [first, [b - a for a, b in zip(first, last, strict=True)]]
        else:
            kind, rows = "STRIDED_SLICE", [first, last, [1] * 4]
        inputs = [whole.tensor, *(self.builder.constant(np.array(r, np.int32)) for r in rows)]
        shape = (1, end - begin, *whole.shape[2:])
        self._add(kind, inputs, shape, {}, scale=whole.scale, zero_point=whole.zero_point)

    def join(self) -> None:
        """CONCATENATION with earlier values, perhaps with itself, perhaps with a constant."""
        v = self.value
        partners = [
            p for p in self.history if p.shape[2:] == v.shape[2:] and (p.scale, p.zero_point) == (v.scale, v.zero_point)
        ]
        chosen = [v, *(partners[self._int(0, len(partners) - 1)] for _ in range(self._int(1, 2)))]
        tensors, heights = [p.tensor for p in chosen], [p.shape[1] for p in chosen]
        if self.rng.random() < 0.3:
            rows = self.rng.integers(-128, 128, (1, 2, *v.shape[2:])).astype(np.int8)
            tensors.append(self.builder.constant(rows, scales=v.scale, zero_points=v.zero_point))
            heights.append(2)
        if sum(heights) > MAX_HEIGHT:
            return
        order = self.rng.permutation(len(tensors))
        self._concatenate([tensors[i] for i in order], sum(heights), v)

    def branches(self) -> None:
        """Two or three convolutions of one value, or of two, whose results are joined."""
        start, results = self.value, []
        scale, zero_point = self._quantization()
        channels = self._int(1, 6)
        for _ in range(self._int(2, 3)):
            self.value = start if self.rng.random() < 0.7 or not results else results[-1]
            weights = self._weights((channels, 1, 1, self.value.shape[3]), channels, 0, self.value.shape[3])
            options = {"padding": SAME, "stride_h": 1, "stride_w": 1, "fused_activation_function": self._activation()}
            options |= {"dilation_h_factor": 1, "dilation_w_factor": 1}
            shape = (*start.shape[:3], channels)
            self._add("CONV_2D", [self.value.tensor, *weights], shape, options, scale=scale, zero_point=zero_point)
            results.append(self.value)
        height = sum(r.shape[1] for r in results)
        if height <= MAX_HEIGHT:
            self._concatenate([r.tensor for r in results], height, results[0])

    def _concatenate(self, tensors: list[int], height: int, like: Value) -> None:
        shape = (1, height, *like.shape[2:])
        options = {"axis": 1, "fused_activation_function": 0}
        self._add("CONCATENATION", tensors, shape, options, scale=like.scale, zero_point=like.zero_point)


_LAYERS = ("split", "split", "slice", "join", "join", "branches", "branches", "conv", "activation", "residual", "pool")


def draw_view_network(rng: Rng) -> bytes:
    """A network of 3 to 9 random layers, most of which only move rows."""
    network = ViewNetworkBuilder(rng)
    for _ in range(int(rng.integers(3, 10))):
        getattr(network, str(rng.choice(_LAYERS)))()
    if rng.random() < 0.3 or len(network.history) < 3:
        network.activation()
        network.head()
    return network.finish()
