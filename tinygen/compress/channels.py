"""Which channels of a model hang together, so that whole ones can be removed.

Every tensor's last dimension is a list of *units*. A convolution or dense layer makes new units; activations,
pooling and depthwise layers pass them on; adding two tensors ties their units pairwise; concatenating lines them
up; flattening repeats them; what tinygen does not know holds its units fast. Units that are tied live or die
together. [DepGraph, Fang 2023, groups parameters in this way.]
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.compress.replay import Call, calls

__all__ = ["ChannelGraph", "Producer"]

Units = NDArray[np.int64]

_MAKERS = ("Conv1D", "Conv2D", "Conv2DTranspose", "Dense")
_PASSING = {
    *("Activation", "BatchNormalization", "Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise"),
    *("GaussianDropout", "ActivityRegularization", "ReLU", "LeakyReLU", "ELU", "PReLU", "ThresholdedReLU"),
    *("MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D", "GlobalAveragePooling1D"),
    *("GlobalAveragePooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D", "ZeroPadding1D", "ZeroPadding2D"),
    *("Cropping1D", "Cropping2D", "UpSampling1D", "UpSampling2D"),
}
_TYING = {"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"}
# Functions called on tensors (Keras 2 keeps them as TFOpLambda); by TensorFlow's names for them.
_PASSING_FUNCTIONS = {
    "nn.relu",
    "nn.relu6",
    "nn.sigmoid",
    "math.sigmoid",
    "math.tanh",
    "clip_by_value",
    "nn.leaky_relu",
}
_TYING_FUNCTIONS = {"__operators__.add", "math.add", "math.multiply", "math.subtract", "math.maximum", "math.minimum"}


@dataclass(slots=True, eq=False)
class Producer:
    """A layer that makes channels."""

    layer: Any
    inputs: Units
    outputs: Units


@dataclass(slots=True, eq=False)
class ChannelGraph:
    """The units of a model.

    Attributes:
        producers: layers that make units, by name.
        passing: layers with a weight for each unit (BatchNorm, depthwise, PReLU), with the units that go in.
        reshapes: Reshape layers, with the units that go in and come out.
        reasons: layer that holds units fast -> why.
    """

    producers: dict[str, Producer] = field(default_factory=dict)
    passing: dict[str, tuple[Any, Units]] = field(default_factory=dict)
    reshapes: dict[str, tuple[Any, Units, Units]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    _parents: list[int] = field(default_factory=list)
    _fixed: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, model: Any) -> ChannelGraph:
        """Find the units of a model and what ties them."""
        graph = cls()
        units: dict[int, Units] = {}
        for tensor in model.inputs:
            units[id(tensor)] = graph._new(int(tensor.shape[-1] or 1))
            graph._hold(units[id(tensor)])
        for call in calls(model):
            inputs = [units[id(tensor)] for tensor in call.inputs]
            for tensor, value in zip(call.outputs, graph._outputs(call, inputs), strict=True):
                units[id(tensor)] = value
        for tensor in model.outputs:
            graph._hold(units[id(tensor)])
        return graph

    def root(self, unit: int) -> int:
        """The representative of all units tied to this one."""
        while self._parents[unit] != unit:
            self._parents[unit] = self._parents[self._parents[unit]]
            unit = self._parents[unit]
        return unit

    def roots(self, units: Iterable[int]) -> Units:
        """The representatives of some units."""
        return np.array([self.root(int(unit)) for unit in units], np.int64)

    def roots_outside(self, units: Iterable[int], removed: set[int]) -> NDArray[np.bool_]:
        """Which of some units stay when the given roots are removed."""
        return np.array([root not in removed for root in self.roots(units).tolist()], bool)

    def fixed_roots(self) -> set[int]:
        """Representatives of all units that must stay."""
        return {self.root(unit) for unit in self._fixed}

    def _outputs(self, call: Call, inputs: list[Units]) -> list[Units]:
        layer, kind = call.layer, type(call.layer).__name__
        if kind in _MAKERS and getattr(layer, "groups", 1) == 1:
            return [self._made(layer, inputs[0], int(call.outputs[0].shape[-1]))]
        if kind == "DepthwiseConv2D":
            self._pass(layer, inputs[0])
            return [np.repeat(inputs[0], layer.depth_multiplier)]
        if self._is_passing(call):
            if layer.weights:
                self._pass(layer, inputs[0])
            return [inputs[0]]
        if self._is_tying(call):
            return [self._tied(inputs)]
        if kind == "Concatenate" and layer.axis in (-1, len(call.inputs[0].shape) - 1):
            return [np.concatenate(inputs)]
        if kind == "Concatenate" and len({len(u) for u in inputs}) == 1:
            return [self._tied(inputs)]
        if kind in ("Flatten", "Reshape"):
            known = self._reshaped(call, inputs[0])
            if known is not None:
                return [known]
        return self._unknown(call, inputs)

    def _made(self, layer: Any, inputs: Units, count: int) -> Units:
        known = self.producers.get(layer.name)
        if known is None:
            self.producers[layer.name] = Producer(layer, inputs, self._new(count))
        else:  # a layer used twice
            self._tie(known.inputs, inputs)
        return self.producers[layer.name].outputs

    def _pass(self, layer: Any, units: Units) -> None:
        known = self.passing.get(layer.name)
        if known is None:
            self.passing[layer.name] = (layer, units)
        else:
            self._tie(known[1], units)

    @staticmethod
    def _is_passing(call: Call) -> bool:
        kind, layer = type(call.layer).__name__, call.layer
        if kind == "BatchNormalization":
            axis = list(layer.axis) if isinstance(layer.axis, list | tuple) else [layer.axis]
            return axis in ([-1], [len(call.inputs[0].shape) - 1])
        if kind == "PReLU":
            return int(layer.alpha.shape[-1]) == int(call.inputs[0].shape[-1])
        if kind == "Activation" and getattr(layer.activation, "__name__", "") == "softmax":
            return False
        if kind == "TFOpLambda":
            return layer.get_config()["function"] in _PASSING_FUNCTIONS and len(call.inputs) == 1
        return kind in _PASSING

    @staticmethod
    def _is_tying(call: Call) -> bool:
        kind = type(call.layer).__name__
        if kind == "TFOpLambda":
            function = call.layer.get_config()["function"]
            return function in _TYING_FUNCTIONS and len(call.inputs) == 2
        return kind in _TYING

    def _tied(self, inputs: list[Units]) -> Units:
        """Element by element; a single channel goes with all, and must stay."""
        widest = max(inputs, key=len)
        for units in inputs:
            if len(units) == len(widest):
                self._tie(widest, units)
            else:
                self._hold(units)
        return widest

    def _reshaped(self, call: Call, units: Units) -> Units | None:
        """Units of a tensor that was flattened or reshaped: they repeat as the channels lie innermost in memory."""
        before, after = call.inputs[0].shape[1:], call.outputs[0].shape[1:]
        layer = call.layer
        if getattr(layer, "data_format", "channels_last") == "channels_first":
            return None
        if after[-1] == before[-1]:
            result = units
        elif after[-1] and after[-1] % len(units) == 0 and all(d is not None for d in (*before, *after)):
            # The new last dimension holds whole pixels.
            result = np.tile(units, after[-1] // len(units))
        else:
            return None
        if type(layer).__name__ == "Reshape":
            self.reshapes[layer.name] = (layer, units, result)
        return result

    def _unknown(self, call: Call, inputs: list[Units]) -> list[Units]:
        for units in inputs:
            self._hold(units)
        name = call.layer.name
        self.reasons[name] = f'"{name}" ({type(call.layer).__name__}): its input and output channels stay'
        results = [self._new(int(tensor.shape[-1] or 1) if len(tensor.shape) else 1) for tensor in call.outputs]
        for units in results:
            self._hold(units)
        return results

    def _new(self, count: int) -> Units:
        start = len(self._parents)
        self._parents.extend(range(start, start + count))
        return np.arange(start, start + count, dtype=np.int64)

    def _tie(self, first: Units, second: Units) -> None:
        for a, b in zip(first.tolist(), second.tolist(), strict=True):
            self._parents[self.root(b)] = self.root(a)

    def _hold(self, units: Units) -> None:
        self._fixed.update(units.tolist())
