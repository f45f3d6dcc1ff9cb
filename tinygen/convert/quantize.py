"""Post-training quantization with TensorFlow Lite's converter; runs in the child process."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.errors import InternalError, ModelError, UnsupportedError
from tinygen.load.dataset import Dataset
from tinygen.load.essence import essence
from tinygen.load.keras import SourceModel

__all__ = ["converter_problem", "predict", "quantize"]

_PREDICT_BATCH = 64
# Layers whose operators (PRELU, ELU, UNIDIRECTIONAL_SEQUENCE_LSTM) the converter refuses with int16 activations.
_NO_INT16 = ("PReLU", "ELU", "LSTM")

# What the converter says of an operator that it can't express, or can't quantize.
_MISSING_OPS = re.compile(r"(?:Select|Custom) ops: ([^\n]+)")
_UNQUANTIZABLE = re.compile(r"[Qq]uantization not yet supported for op: '?(\w+)")
_FIRST_ERROR = re.compile(r"error: (?:loc\(.*?\)\)?: )?([^\n]+)")


def predict(model: SourceModel, dataset: Dataset) -> tuple[NDArray[np.float32], ...]:
    """The float model's outputs on every sample: float32 [samples, …], one array for each output.

    Raises:
        ModelError: the model fails on its own samples.
    """
    import tensorflow as tf

    function = tf.function(model.call)
    batches = []
    try:
        for tensors in _batches(model, dataset, _PREDICT_BATCH):
            batches.append([np.asarray(tf.cast(output, tf.float32)) for output in function(*tensors)])
    except (tf.errors.OpError, ValueError, TypeError) as error:
        if batches or _PREDICT_BATCH == 1:
            raise ModelError(f"{model.name}: fails on a sample: {essence(error)}") from None
        batches = _predict_singly(model, dataset)
    return tuple(np.concatenate(parts) for parts in zip(*batches, strict=True))


def quantize(
    model: SourceModel,
    calibration: Dataset,
    source: str,
    *,
    dense_per_channel: bool = False,
    activations: str = "int8",
) -> bytes:
    """An int8 flatbuffer with batch 1, its ranges set by the calibration samples.

    Convolutions get a scale for each output channel. Dense layers get one for the whole tensor unless
    ``dense_per_channel``: that costs 8 bytes of flash a neuron more, and the TensorFlow Lite
    Micro that users have may be too old to know it.

    Args:
        activations: ``int8``, or ``int16``: weights in int8, activations, inputs and outputs in int16.

    Raises:
        UnsupportedError: operators without an int8 (or int16) form; names them.
        ModelError: the converter fails otherwise.
    """
    import tensorflow as tf

    wide = activations == "int16"
    _refuse_wide(model, source, wide=wide)

    def call(*inputs: Any) -> dict[str, Any]:
        return {f"output_{i}": output for i, output in enumerate(model.call(*inputs))}

    try:
        function = tf.function(call, input_signature=_specs(model, calibration)).get_concrete_function()
    except (tf.errors.OpError, ValueError, TypeError) as error:
        raise ModelError(f"{source}: fails with a batch of 1: {essence(error)}") from None
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], model.owner)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    op_sets = tf.lite.OpsSet
    converter.target_spec.supported_ops = [
        op_sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8 if wide else op_sets.TFLITE_BUILTINS_INT8
    ]
    # Private, but the only switch there is; checked by a test.
    converter._experimental_disable_per_channel_quantization_for_dense_layers = not dense_per_channel
    converter.representative_dataset = lambda: (
        {f"input_{i}": tensor for i, tensor in enumerate(tensors)} for tensors in _batches(model, calibration, 1)
    )
    if any(tf.as_dtype(dtype).is_floating for dtype in model.input_dtypes):
        converter.inference_input_type = tf.int16 if wide else tf.int8
    converter.inference_output_type = tf.int16 if wide else tf.int8
    try:
        flatbuffer = converter.convert()
    except Exception as error:  # the converter raises ConverterError, RuntimeError, ValueError and more
        raise converter_problem(str(error), source) from error
    return _in_model_order(flatbuffer)


def _refuse_wide(model: SourceModel, source: str, *, wide: bool) -> None:
    """Refuse int16 activations for layers that the converter has only int8 forms of: it would fail, or worse."""
    if not wide or model.tf_keras is None:
        return
    refused = [
        f'"{layer.name}" ({type(layer).__name__})'
        for layer in model.tf_keras.layers
        if type(layer).__name__ in _NO_INT16
        or getattr(getattr(layer, "activation", None), "__name__", "") in ("elu", "hard_silu")
    ]
    if refused:
        raise UnsupportedError(
            f"{source}: {', '.join(refused)}: no form with int16 activations",
            hint='Use activations = "int8", or replace these layers by ReLU.',
        )


def converter_problem(text: str, source: str) -> ModelError | UnsupportedError:
    """What is essential in the converter's kilobytes, as an error for a person."""
    missing = [op.strip() for ops in _MISSING_OPS.findall(text) for op in ops.split(",")]
    if missing:
        names = ", ".join(dict.fromkeys(missing))
        return UnsupportedError(
            f"{source}: TensorFlow Lite has no built-in operator for {names}",
            hint="Replace the layers that use them by convolutions, dense layers, pooling and simple activations.",
        )
    unquantizable = list(dict.fromkeys(_UNQUANTIZABLE.findall(text)))
    if unquantizable:
        return UnsupportedError(
            f"{source}: the converter has no int8 form of {', '.join(unquantizable)}",
            hint="Replace the layers that use it, for example by ReLU or a convolution.",
        )
    found = _FIRST_ERROR.search(text)
    line = found.group(1) if found else next((line for line in text.splitlines() if line.strip()), "no reason given")
    return ModelError(
        f"{source}: the TensorFlow Lite converter failed: {line.strip()[:300]}",
        hint="Convert the model with TensorFlow yourself and pass the .tflite, or simplify the layer that is named.",
    )


def _in_model_order(flatbuffer: bytes) -> bytes:
    """Put inputs and outputs into the model's order, which the converter does not keep when there are several.

    The signature in the flatbuffer says which tensor is which; only the two lists of indices change.
    """
    import tflite

    content = bytearray(flatbuffer)
    model = tflite.Model.GetRootAs(content)
    if model.SignatureDefsLength() == 0:
        return flatbuffer
    graph, signature = model.Subgraphs(0), model.SignatureDefs(0)
    for indices, count, entry in (
        (graph.InputsAsNumpy(), signature.InputsLength(), signature.Inputs),
        (graph.OutputsAsNumpy(), signature.OutputsLength(), signature.Outputs),
    ):
        entries = sorted((int(entry(i).Name().rsplit(b"_", 1)[1]), entry(i).TensorIndex()) for i in range(count))
        ordered = [tensor for _, tensor in entries]
        if sorted(ordered) == sorted(indices.tolist()):
            indices[:] = ordered  # a view of ``content``
        elif count > 1:
            raise InternalError(f"the converter's signature lists tensors {ordered}, its graph {indices.tolist()}")
    return bytes(content)


def _specs(model: SourceModel, dataset: Dataset) -> list[Any]:
    """Input signature with batch 1: a dynamic batch would leave shape arithmetic in the flatbuffer."""
    import tensorflow as tf

    return [
        tf.TensorSpec([1, *x.shape[1:]], dtype, name=f"input_{i}")
        for i, (x, dtype) in enumerate(zip(dataset.inputs, model.input_dtypes, strict=True))
    ]


def _batches(model: SourceModel, dataset: Dataset, size: int) -> Iterator[tuple[Any, ...]]:
    import tensorflow as tf

    for start in range(0, len(dataset), size):
        yield tuple(
            tf.constant(x[start : start + size].astype(tf.as_dtype(dtype).as_numpy_dtype))
            for x, dtype in zip(dataset.inputs, model.input_dtypes, strict=True)
        )


def _predict_singly(model: SourceModel, dataset: Dataset) -> list[list[NDArray[np.float32]]]:
    """For models that were saved with a batch of 1.

    Raises:
        ModelError
    """
    import tensorflow as tf

    function = tf.function(model.call, input_signature=_specs(model, dataset))
    try:
        return [
            [np.asarray(tf.cast(output, tf.float32)) for output in function(*tensors)]
            for tensors in _batches(model, dataset, 1)
        ]
    except (tf.errors.OpError, ValueError, TypeError) as error:
        raise ModelError(f"{model.name}: fails on a sample: {essence(error)}") from None
