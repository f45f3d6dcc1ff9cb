"""Random networks in which the exact graph passes find much to do.

Filters, inputs and biases are dead in part: all-zero filters, inputs that no filter reads, biases that
saturate a channel whatever comes in. Between the layers lie PADs, separate activations, QUANTIZE chains,
reshapes, transpositions, uniform operands, and branches made of constants.
"""

from __future__ import annotations

import numpy as np
from support.chain_networks import NetworkBuilder, Rng, Value
from support.model_builder import ModelBuilder, Output

__all__ = ["DyingBuilder", "draw_dying_network"]


class DyingBuilder(NetworkBuilder):
    """Adds layers with dead parts, and operators that passes remove."""

    builder: ModelBuilder

    def _weights(self, shape: tuple[int, ...], channels: int, axis: int, fan_in: int) -> list[int]:
        weights = self.rng.integers(-127, 128, shape).astype(np.int8)
        rate = float(self.rng.choice([0.0, 0.3, 0.7, 1.0], p=[0.1, 0.4, 0.4, 0.1]))
        self._silence(weights, axis, rate)
        if axis == 0 and self.rng.random() < 0.6:
            self._silence(weights, len(shape) - 1, 0.4)
        scales = [float(np.float32(s)) for s in self.rng.uniform(0.5, 2.0, channels) / (64 * np.sqrt(fan_in))]
        scales = scales if self.rng.random() < 0.7 else scales[:1]
        weight = self.builder.constant(weights, scales=scales, axis=axis)
        if self.rng.random() < 0.2:
            return [weight]
        bias = self.rng.integers(-3000, 3000, channels)
        bias[self.rng.random(channels) < 0.2] *= int(self.rng.choice([0, 10, 1000, 500000]))  # saturates, or never
        return [weight, self.builder.constant(bias.astype(np.int32), scales=[self.value.scale * s for s in scales])]

    def _silence(self, weights: np.ndarray, axis: int, rate: float) -> None:
        dead = self.rng.random(weights.shape[axis]) < rate
        np.moveaxis(weights, axis, 0)[dead] = 0

    def _same(self) -> dict[str, object]:
        return {"scale": self.value.scale, "zero_point": self.value.zero_point}

    def activation(self) -> None:
        """Half of the time one that leaves the quantization alone, so that it can be fused."""
        if self.rng.random() < 0.5:
            return super().activation()
        kind = str(self.rng.choice(["RELU", "RELU6"]))
        return self._add(kind, [self.value.tensor], self.value.shape, {}, **self._same())

    def tables(self) -> None:
        """Several functions of one value in a row."""
        for _ in range(self._int(2, 3)):
            if self.rng.random() < 0.5:
                same = self._same() if self.rng.random() < 0.3 else {}
                self._add("QUANTIZE", [self.value.tensor], self.value.shape, {}, **same)
            else:
                self.activation()

    def reshapes(self) -> None:
        """There and back, with another shape in between."""
        _, h, w, c = self.value.shape
        shape = self.value.shape
        for other in [(1, h * w, c), (1, h * w * c), (h, w, c)][: self._int(1, 3)]:
            self._add("RESHAPE", [self.value.tensor], other, {"new_shape": other}, **self._same())
        self._add("RESHAPE", [self.value.tensor], shape, {"new_shape": shape}, **self._same())

    def transposes(self) -> None:
        """One or two transpositions that keep the batch in front, then maybe back."""
        for order in [(0, 2, 1, 3), (0, 3, 1, 2), (0, 2, 3, 1)][self._int(0, 1) :]:
            shape = tuple(self.value.shape[i] for i in order)
            permutation = self.builder.constant(np.array(order, np.int32))
            self._add("TRANSPOSE", [self.value.tensor, permutation], shape, {}, **self._same())

    def padded_conv(self) -> None:
        """A PAD, sometimes by another value than the zero point, and a convolution."""
        _, h, w, c = self.value.shape
        amounts = self.rng.integers(0, 3, (2, 2))
        table = self.builder.constant(np.array([[0, 0], *amounts.tolist(), [0, 0]], np.int32))
        shape = (1, h + int(amounts[0].sum()), w + int(amounts[1].sum()), c)
        if self.rng.random() < 0.3:
            fill = self.value.zero_point if self.rng.random() < 0.5 else 7
            value = self.builder.constant(
                np.array([fill], np.int8), scales=self.value.scale, zero_points=self.value.zero_point
            )
            self._add("PADV2", [self.value.tensor, table, value], shape, {}, **self._same())
        else:
            self._add("PAD", [self.value.tensor, table], shape, {}, **self._same())
        self.conv() if self.rng.random() < 0.5 else self.depthwise()

    def uniform(self) -> None:
        """ADD or MUL with an operand that repeats one value, or with one value for each channel."""
        channels = self.value.shape[3]
        low, high = sorted(int(v) for v in self.rng.integers(-128, 128, 2))
        values = self.rng.integers(low, high + 1, channels).astype(np.int8)
        if self.rng.random() < 0.6:
            values[:] = values[0]
            values = values[:1] if self.rng.random() < 0.5 else values
        scale, zero_point = self._quantization()
        operand = self.builder.constant(values.reshape(1, 1, 1, -1), scales=scale, zero_points=zero_point)
        kind = str(self.rng.choice(["ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM"]))
        options = {} if kind.endswith("IMUM") else {"fused_activation_function": self._activation()}
        operands = [self.value.tensor, operand]
        self._add(kind, operands if self.rng.random() < 0.7 else operands[::-1], self.value.shape, options)

    def constant_branch(self) -> None:
        """An operand that is computed from constants only."""
        v = self.value
        data = self.rng.integers(-128, 128, (v.shape[3], 1, 1)).astype(np.int8)
        first = self.builder.constant(data, scales=v.scale, zero_points=v.zero_point)
        order = self.builder.constant(np.array([1, 2, 0], np.int32))
        same = {"scale": v.scale, "zero_point": v.zero_point}
        turned = self.builder.op("TRANSPOSE", [first, order], shape=(1, 1, v.shape[3]), **same)
        scaled = self.builder.op("QUANTIZE", [turned], shape=(1, 1, v.shape[3]), scale=v.scale * 1.5, zero_point=3)
        self._add("ADD", [v.tensor, scaled], v.shape, {"fused_activation_function": self._activation()})

    def single(self) -> None:
        """An operator that does nothing: one pixel a window, a CONCATENATION of one, a SPLIT into one, an empty PAD."""
        v, same = self.value, self._same()
        match self._int(0, 3):
            case 0:
                window = {"padding": self._int(0, 1), "stride_h": 1, "stride_w": 1}
                options = {**window, "filter_height": 1, "filter_width": 1}
                options["fused_activation_function"] = self._activation()
                self._add(
                    str(self.rng.choice(["MAX_POOL_2D", "AVERAGE_POOL_2D"])), [v.tensor], v.shape, options, **same
                )
            case 1:
                self._add("CONCATENATION", [v.tensor], v.shape, {"axis": 3}, **same)
            case 2:
                axis = self.builder.constant(np.int32(self._int(1, 3)))
                (tensor,) = self.builder.op_multi(
                    "SPLIT",
                    [axis, v.tensor],
                    [Output(v.shape, "int8", v.scale, v.zero_point)],
                    options={"num_splits": 1},
                )
                self.value = Value(tensor, v.shape, v.scale, v.zero_point)
                self.history.append(self.value)
            case _:
                self._add("PAD", [v.tensor, self.builder.constant(np.zeros((4, 2), np.int32))], v.shape, {}, **same)

    def head(self) -> None:
        """A flattened image or a mean over it, sometimes over one pixel, and two fully connected layers."""
        _, h, w, c = self.value.shape
        if self.rng.random() < 0.5 and h * w * c < 400:
            self._add("RESHAPE", [self.value.tensor], (1, h * w * c), {"new_shape": (1, h * w * c)}, **self._same())
        else:
            axes = self.builder.constant(np.array([1, 2], np.int32))
            self._add("MEAN", [self.value.tensor, axes], (1, c), {"keep_dims": False})
        for classes in (self._int(2, 10), self._int(2, 5)):
            inputs = self.value.shape[-1]
            weights = self._weights((classes, inputs), classes, 0, inputs)
            options = {"fused_activation_function": self._activation()}
            self._add("FULLY_CONNECTED", [self.value.tensor, *weights], (1, classes), options)


_LAYERS = (
    *("conv", "conv", "conv", "conv", "depthwise", "depthwise", "depthwise", "pool", "residual", "residual"),
    *("concatenation", "activation", "activation", "tables", "reshapes", "transposes", "padded_conv", "padded_conv"),
    *("uniform", "constant_branch", "single"),
)


def draw_dying_network(rng: Rng) -> bytes:
    """A network of 4 to 12 random layers, with or without a head."""
    network = DyingBuilder(rng)
    for _ in range(int(rng.integers(4, 13))):
        getattr(network, str(rng.choice(_LAYERS)))()
    if rng.random() < 0.6:
        network.head()
    return network.finish()
