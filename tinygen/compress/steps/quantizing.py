"""Steps that quantize: ``qat`` trains with fake quantization, ``ptq`` converts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tinygen.compress.constraints import Clusters
from tinygen.compress.fold import fold_batchnorm
from tinygen.compress.int8 import bind, write_clusters
from tinygen.compress.replay import clone
from tinygen.compress.settings import Ptq, Qat
from tinygen.compress.state import Context, State, variables_of
from tinygen.compress.train import prepare_batchnorm
from tinygen.convert.quantize import quantize
from tinygen.load.dataset import Dataset
from tinygen.load.keras import SourceModel

__all__ = ["copy_to_float", "fake_quantized", "ptq", "qat", "refresh_ranges"]

_CALIBRATION_BATCHES = 16
# TFMOT's own 0.999 takes thousands of steps to leave its start of +-6.
_RANGE_DECAY = 0.95


def qat(state: State, settings: Qat, context: Context) -> State:
    """Fine-tune with fake quantization; zeros and clusters stay [Jacob 2018; TFMOT's PQAT, CQAT, PCQAT].

    BatchNorms that are frozen are folded first: then what is trained is what the chip will store.
    """
    if settings.batchnorm == "freeze":
        model, stay = fold_batchnorm(state.model)
        context.left_alone.extend(stay)
        state = state.with_model(model)
    wrapped, decay, unknown = fake_quantized(state.model)
    context.left_alone.extend(unknown)
    prepare_batchnorm(wrapped, settings.batchnorm)
    samples = context.task.x[context.split.train]
    size = min(settings.batch_size, len(samples))
    for i in range(min(_CALIBRATION_BATCHES, len(samples) // size)):
        wrapped(samples[i * size : (i + 1) * size], training=True)
        decay.assign(_RANGE_DECAY)
    constraints = dict(state.constraints)
    trainer = context.trainer(wrapped, constraints, settings, variables=variables_of(wrapped))
    trainer.refresh = lambda: refresh_ranges(wrapped)
    context.record(trainer.run())
    model = copy_to_float(wrapped, state.model)
    return replace(state, model=model, constraints=constraints, wrapped=wrapped)


def ptq(state: State, settings: Ptq, context: Context) -> State:
    """Convert to int8 with ranges from the training split; then write shared values exactly."""
    if state.model is None:
        context.notes.append("int8 already: weights and ranges stay as the file has them")
        return state
    task = context.task
    data = Dataset((task.x[context.split.train],), None, context.source).spread(settings.calibration_samples)
    source = SourceModel.from_keras(state.model)
    if state.wrapped is not None:
        source = replace(SourceModel.from_keras(state.wrapped), owner=_variables_only(state.wrapped))
    tflite = quantize(
        source,
        data,
        context.source,
        dense_per_channel=settings.dense_per_channel,
        activations=settings.activations,
    )
    bindings, lost = bind(tflite, state.model)
    context.left_alone.extend(lost)
    clusters = {key: c for key, c in state.constraints.items() if isinstance(c, Clusters)}
    if clusters:
        tflite, notes = write_clusters(tflite, bindings, clusters, variables_of(state.model))
        context.left_alone.extend(notes)
    return replace(state, tflite=tflite, bindings=bindings)


def _variables_only(wrapped: Any) -> Any:
    """What the converter saves along with a function: TFMOT's wrappers themselves can't be saved."""
    import tensorflow as tf

    module = tf.Module(name="wrapped")
    module.held = list(wrapped.variables)
    return module


def fake_quantized(model: Any) -> tuple[Any, Any, list[str]]:
    """A copy of the model with TFMOT's fake quantization in the layers that it knows.

    Returns:
        The copy; the variable with the decay of its activation ranges, 0 at first, so that the first batch
        sets them; and the layers left to the converter's calibration.
    """
    import tensorflow as tf
    import tf_keras
    from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
        default_8bit_quantize_registry as registries,
    )
    from tensorflow_model_optimization.quantization import keras as tfmot

    registry = registries.Default8BitQuantizeRegistry()
    unknown = []

    def annotate(layer: Any) -> Any:
        if registry.supports(layer):
            return tfmot.quantize_annotate_layer(layer)
        if not isinstance(layer, tf_keras.layers.InputLayer | tf_keras.layers.BatchNormalization):
            unknown.append(f'"{layer.name}" ({type(layer).__name__}): trained without fake quantization, calibrated')
        return layer

    annotated = tf_keras.models.clone_model(clone(model), clone_function=annotate)
    wrapped = tfmot.quantize_apply(annotated)
    decay = tf.Variable(0.0, trainable=False, name="range_decay")
    _mend_quantizers(wrapped, decay)
    return wrapped, decay, unknown


def _mend_quantizers(wrapped: Any, decay: Any) -> None:
    """Give activations ranges that arrive in a short run, and depthwise layers a scale for each channel.

    TFMOT would quantize depthwise weights by the tensor, which the converter then keeps. Left without fake
    quantization at inference they are quantized by the converter, by the channel; training rounds them just so.
    """
    from tensorflow_model_optimization.python.core.quantization.keras import quantizers

    moving = _moving_average_class(quantizers.MovingAverageQuantizer, decay)
    for layer in wrapped.layers:
        if isinstance(getattr(layer, "quantizer", None), quantizers.MovingAverageQuantizer):  # of the input
            layer.quantizer = moving(layer.quantizer)
        if not hasattr(layer, "_weight_vars"):
            continue
        if type(layer.layer).__name__ == "DepthwiseConv2D":
            layer._weight_vars = [(v, _rounded_by_channel, ranges) for v, _, ranges in layer._weight_vars]
        for activation in layer._quantize_activations:
            if isinstance(activation.quantizer, quantizers.MovingAverageQuantizer):
                activation.quantizer = moving(activation.quantizer)
        layer._output_quantizers = [
            moving(q) if isinstance(q, quantizers.MovingAverageQuantizer) else q for q in layer._output_quantizers or []
        ]


def _moving_average_class(base: Any, decay: Any) -> Callable[[Any], Any]:
    """Turns a TFMOT quantizer into one whose ranges follow by our decay."""
    from tensorflow_model_optimization.python.core.quantization.keras import quant_ops

    class Following(base):  # type: ignore[misc]
        def __call__(self, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
            return quant_ops.MovingAvgQuantize(
                inputs,
                weights["min_var"],
                weights["max_var"],
                ema_decay=decay,
                is_training=training,
                num_bits=self.num_bits,
                per_channel=self.per_axis,
                symmetric=self.symmetric,
                narrow_range=self.narrow_range,
            )

    return lambda quantizer: Following(**quantizer.get_config())


def _rounded_by_channel(inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
    """A depthwise kernel [h, w, channels, multiplier] rounded as int8 will have it; gradients pass straight through."""
    import tensorflow as tf

    if not training:
        return inputs
    scale = tf.maximum(tf.reduce_max(tf.abs(inputs), axis=[0, 1], keepdims=True), 1e-12) / 127.0
    return inputs + tf.stop_gradient(tf.round(inputs / scale) * scale - inputs)


def refresh_ranges(wrapped: Any) -> None:
    """Take the ranges of quantized weights anew: training leaves those of the step before."""
    import tensorflow as tf

    for layer in wrapped.layers:
        for variable, quantizer, ranges in getattr(layer, "_weight_vars", []):
            if not hasattr(quantizer, "per_axis"):
                continue
            axis = list(range(len(variable.shape) - 1)) if quantizer.per_axis else None
            largest = tf.reduce_max(tf.abs(variable), axis=axis)
            ranges["min_var"].assign(-largest)
            ranges["max_var"].assign(largest)


def copy_to_float(wrapped: Any, model: Any) -> Any:
    """A float model with the weights that quantization-aware training has found."""
    result = clone(model)
    inner = {getattr(layer, "layer", layer).name: layer for layer in wrapped.layers}
    kernels = variables_of(wrapped)
    for layer in result.layers:
        twin = inner.get(layer.name)
        if twin is None or not layer.weights:
            continue
        source = getattr(twin, "layer", twin)
        values = []
        for weight in layer.weights:
            attribute = weight.name.split(":")[0].split("/")[-1]
            variable = kernels.get((layer.name, attribute))
            values.append((getattr(source, attribute) if variable is None else variable).numpy())
        layer.set_weights(values)
    return result
