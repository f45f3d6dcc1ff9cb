"""Random networks: chains of convolutions, pools, activations, residual sums and concatenations with a head.

Single operators show that each kernel is right; these show that the arena is: tensors that live long
cross tensors that share their memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from support.model_builder import ModelBuilder

Rng = np.random.Generator
SAME, VALID = 0, 1


@dataclass(frozen=True)
class Value:
    """A tensor of the network under construction: NHWC, batch 1."""

    tensor: int
    shape: tuple[int, int, int, int]
    scale: float
    zero_point: int


class NetworkBuilder:
    """Adds random layers to a flatbuffer and remembers what later layers may join."""

    dtype: ClassVar[str] = "int8"
    bias_dtype: ClassVar[str] = "int32"
    steps: ClassVar[int] = 1  # by so much, activations are finer than int8 ones
    activations: ClassVar[tuple[str, ...]] = ("LOGISTIC", "TANH", "LEAKY_RELU", "HARD_SWISH", "RELU", "RELU6")
    prescribed: ClassVar[dict[str, tuple[float, int]]] = {
        "LOGISTIC": (1 / 256, -128),
        "TANH": (1 / 128, 0),
        "SOFTMAX": (1 / 256, -128),
    }

    def __init__(self, rng: Rng) -> None:
        self.rng = rng
        self.builder = ModelBuilder()
        shape = (1, self._int(5, 14), self._int(4, 12), self._int(1, 6))
        scale, zero_point = self._quantization()
        self.value = Value(
            self.builder.input(shape, self.dtype, scale=scale, zero_point=zero_point), shape, scale, zero_point
        )
        self.history = [self.value]

    def _int(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def _quantization(self) -> tuple[float, int]:
        zero_point = int(self.rng.choice([-128, 0, self._int(-128, 127)]))
        return float(np.float32(2.0 ** self.rng.uniform(-6, -2))), zero_point

    def _add(
        self, kind: str, inputs: list[int], shape: tuple[int, ...], options: dict[str, object], **fixed: object
    ) -> None:
        scale, zero_point = self._quantization()
        scale, zero_point = float(fixed.get("scale", scale)), int(fixed.get("zero_point", zero_point))  # type: ignore[arg-type]
        tensor = self.builder.op(
            kind, inputs, shape=shape, dtype=self.dtype, scale=scale, zero_point=zero_point, options=options
        )
        self.value = Value(tensor, shape, scale, zero_point)  # type: ignore[arg-type]
        self.history.append(self.value)

    def _weights(self, shape: tuple[int, ...], channels: int, axis: int, fan_in: int) -> list[int]:
        """Weights, and in most cases a bias, whose products cover the output's range without saturating it."""
        scales = [float(np.float32(s)) for s in self.rng.uniform(0.5, 2.0, channels) / (64 * np.sqrt(fan_in))]
        weights = self.rng.integers(-127, 128, shape).astype(np.int8)
        weight = self.builder.constant(weights, scales=scales, axis=axis)
        if self.rng.random() < 0.15:
            return [weight]
        bias = (self.rng.integers(-3000, 3000, channels) * self.steps).astype(self.bias_dtype)
        return [weight, self.builder.constant(bias, scales=[self.value.scale * s for s in scales])]

    def conv(self) -> None:
        _, h, w, c = self.value.shape
        kh, kw = min(self._int(1, 3), h), min(self._int(1, 3), w)
        stride, padding = self._int(1, 2), self._int(SAME, VALID)
        out = self._int(1, 12)
        weights = self._weights((out, kh, kw, c), out, 0, kh * kw * c)
        options = {
            "padding": padding,
            "stride_h": stride,
            "stride_w": stride,
            "fused_activation_function": self._activation(),
        }
        options |= {"dilation_h_factor": 1, "dilation_w_factor": 1}
        self._add("CONV_2D", [self.value.tensor, *weights], self._window(kh, kw, stride, padding, out), options)

    def depthwise(self) -> None:
        _, h, w, c = self.value.shape
        kh, kw = min(3, h), min(3, w)
        stride, padding, multiplier = self._int(1, 2), self._int(SAME, VALID), 2 if self.rng.random() < 0.2 else 1
        weights = self._weights((1, kh, kw, c * multiplier), c * multiplier, 3, kh * kw)
        options = {"padding": padding, "stride_h": stride, "stride_w": stride, "depth_multiplier": multiplier}
        options |= {"fused_activation_function": self._activation(), "dilation_h_factor": 1, "dilation_w_factor": 1}
        shape = self._window(kh, kw, stride, padding, c * multiplier)
        self._add("DEPTHWISE_CONV_2D", [self.value.tensor, *weights], shape, options)

    def pool(self) -> None:
        _, h, w, c = self.value.shape
        kh, kw, padding = min(2, h), min(2, w), self._int(SAME, VALID)
        kind = str(self.rng.choice(["MAX_POOL_2D", "AVERAGE_POOL_2D"]))
        options = {"padding": padding, "stride_h": 2, "stride_w": 2, "filter_height": kh, "filter_width": kw}
        same = {"scale": self.value.scale, "zero_point": self.value.zero_point}
        self._add(kind, [self.value.tensor], self._window(kh, kw, 2, padding, c), options, **same)

    def residual(self) -> None:
        """ADD or MUL with an earlier value of the same shape, which so lived all the while."""
        partners = [v for v in self.history[:-1] if v.shape == self.value.shape] or [self.value]
        partner = partners[self._int(0, len(partners) - 1)]
        kind = str(self.rng.choice(["ADD", "ADD", "SUB", "MUL"]))
        self._add(
            kind,
            [partner.tensor, self.value.tensor],
            self.value.shape,
            {"fused_activation_function": self._activation()},
        )

    def concatenation(self) -> None:
        """Join with an earlier value of the same height, width and quantization; else with itself."""
        v = self.value
        partners = [
            p
            for p in self.history[:-1]
            if p.shape[:3] == v.shape[:3] and (p.scale, p.zero_point) == (v.scale, v.zero_point)
        ] or [v]
        partner = partners[self._int(0, len(partners) - 1)]
        if v.shape[3] + partner.shape[3] > 24:
            return self.activation()
        shape = (*v.shape[:3], v.shape[3] + partner.shape[3])
        options = {"axis": 3, "fused_activation_function": 0}
        return self._add(
            "CONCATENATION", [v.tensor, partner.tensor], shape, options, scale=v.scale, zero_point=v.zero_point
        )

    def activation(self) -> None:
        kind = str(self.rng.choice(self.activations))
        fixed = self.prescribed.get(kind)
        quantization = {} if fixed is None else {"scale": fixed[0], "zero_point": fixed[1]}
        options = {"alpha": 0.1} if kind == "LEAKY_RELU" else {}
        self._add(kind, [self.value.tensor], self.value.shape, options, **quantization)

    def pad(self) -> None:
        _, h, w, c = self.value.shape
        amounts = self.rng.integers(0, 2, (2, 2))
        table = np.array([[0, 0], *amounts.tolist(), [0, 0]], np.int32)
        shape = (1, h + int(amounts[0].sum()), w + int(amounts[1].sum()), c)
        same = {"scale": self.value.scale, "zero_point": self.value.zero_point}
        self._add("PAD", [self.value.tensor, self.builder.constant(table)], shape, {}, **same)

    def head(self) -> None:
        """Mean over height and width, a fully connected layer, softmax."""
        _, _, _, c = self.value.shape
        axes = self.builder.constant(np.array([1, 2], np.int32))
        self._add("MEAN", [self.value.tensor, axes], (1, c), {"keep_dims": False})
        classes = self._int(2, 10)
        weights = self._weights((classes, c), classes, 0, c)
        self._add("FULLY_CONNECTED", [self.value.tensor, *weights], (1, classes), {"fused_activation_function": 0})
        scale, zero_point = self.prescribed["SOFTMAX"]
        self._add("SOFTMAX", [self.value.tensor], (1, classes), {"beta": 1.0}, scale=scale, zero_point=zero_point)

    def finish(self) -> bytes:
        """The flatbuffer; sometimes an inner value is an output, too, and so lives to the end."""
        self.builder.output(self.value.tensor)
        if self.rng.random() < 0.3:
            self.builder.output(self.history[self._int(1, len(self.history) - 2)].tensor)
        return self.builder.build()

    def _activation(self) -> int:
        return int(self.rng.choice([0, 0, 1, 1, 3]))

    def _window(self, kh: int, kw: int, stride: int, padding: int, channels: int) -> tuple[int, int, int, int]:
        _, h, w, _ = self.value.shape
        if padding == SAME:
            return 1, -(-h // stride), -(-w // stride), channels
        return 1, (h - kh) // stride + 1, (w - kw) // stride + 1, channels


_LAYERS = (
    "conv",
    "conv",
    "conv",
    "depthwise",
    "depthwise",
    "pool",
    "residual",
    "residual",
    "concatenation",
    "activation",
    "pad",
)


class Int16NetworkBuilder(NetworkBuilder):
    """The same layers over 16-bit activations with int8 weights."""

    dtype = "int16"
    bias_dtype = "int64"
    steps = 256
    activations = ("LOGISTIC", "TANH", "LEAKY_RELU", "RELU", "RELU6")
    prescribed: ClassVar = {"LOGISTIC": (1 / 32768, 0), "TANH": (1 / 32768, 0), "SOFTMAX": (1 / 32768, 0)}

    def _quantization(self) -> tuple[float, int]:
        return float(np.float32(2.0 ** self.rng.uniform(-6, -2) / self.steps)), 0


def draw_network(rng: Rng, builder: type[NetworkBuilder] = NetworkBuilder) -> bytes:
    """A network of 3 to 9 random layers, with or without a head."""
    network = builder(rng)
    for _ in range(int(rng.integers(3, 10))):
        getattr(network, str(rng.choice(_LAYERS)))()
    if rng.random() < 0.6:
        network.head()
    return network.finish()
