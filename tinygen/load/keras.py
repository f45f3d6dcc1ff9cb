"""Load Keras models and SavedModels; runs in a child process, because TensorFlow may crash on them.

A file is inspected before it is deserialized (``tinygen.load.safety``) and loaded by the Keras that wrote
it. Keras 3 models are rebuilt in tf_keras (``tinygen.load.bridge``) where that is possible.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinygen.errors import InputError, ModelError, UnsupportedError
from tinygen.load import SourceKind
from tinygen.load.bridge import Shape, rebuild
from tinygen.load.essence import essence
from tinygen.load.safety import StoredConfig, carried_code, read_config

__all__ = ["SourceModel", "load_source", "load_tf_keras"]

_CODE_HINT = (
    "tinygen never runs code that a model file carries. Replace these by Keras's own layers, "
    "or pass --allow-custom-code if you trust the file."
)
_SUFFIXES = {SourceKind.KERAS3: ".keras", SourceKind.KERAS2_ZIP: ".keras", SourceKind.HDF5: ".h5"}
_KERAS2_INTERNAL_LAYERS = {
    *("Functional", "Sequential", "Model", "Network", "TensorFlowOpLayer", "TFOpLambda", "SlicingOpLambda"),
    *("ClassMethod", "InstanceMethod", "InstanceProperty"),
}
_KERAS3_INTERNAL_LAYERS = {"Functional", "Sequential", "Model"}


@dataclass(frozen=True, slots=True, eq=False)
class SourceModel:
    """A float model, ready to be called, compressed and converted.

    Attributes:
        name: the model's own.
        call: takes one tensor for each input, in order; returns the list of outputs.
        input_shapes: without the batch; ``None`` where the model leaves a dimension open.
        input_dtypes: TensorFlow's names of them, such as ``float32``.
        tf_keras: the model for compression; ``None`` where there is only a graph.
        owner: what holds the variables, trackable by TensorFlow.
        notes: what the user should know about how it was loaded.
    """

    name: str
    call: Callable[..., list[Any]]
    input_shapes: tuple[Shape, ...]
    input_dtypes: tuple[str, ...]
    tf_keras: Any | None
    owner: Any
    notes: tuple[str, ...] = ()

    @classmethod
    def from_keras(cls, model: Any, *, is_tf_keras: bool = True, notes: tuple[str, ...] = ()) -> SourceModel:
        """Wrap a model of either Keras whose inputs are known.

        Raises:
            ModelError: the model does not know its inputs.
        """
        import tensorflow as tf

        if not getattr(model, "inputs", None):
            raise ModelError(
                f'model "{model.name}" does not know its input shape',
                hint="Begin a Sequential model with Input(shape), or call the model once before saving it.",
            )

        def call(*inputs: Any) -> list[Any]:
            argument = inputs[0] if len(inputs) == 1 else list(inputs)
            return list(tf.nest.flatten(model(argument, training=False)))

        return cls(
            name=model.name,
            call=call,
            input_shapes=tuple(tuple(tensor.shape[1:]) for tensor in model.inputs),
            input_dtypes=tuple(tf.as_dtype(tensor.dtype).name for tensor in model.inputs),
            tf_keras=model if is_tf_keras else None,
            owner=model if is_tf_keras else _variables_of(model),
            notes=notes,
        )


def load_source(
    path: Path,
    kind: SourceKind,
    *,
    allow_custom_code: bool = False,
    sample_shapes: Sequence[Shape] | None = None,
) -> SourceModel:
    """Load any Keras model or SavedModel for conversion.

    What can't become a tf_keras model (``tf_keras`` is ``None`` then, and a note says why) is still
    loaded: a Keras 3 model as it is, a SavedModel as the graph of its serving signature.

    Args:
        sample_shapes: shapes of the samples at hand, for models that leave dimensions open.

    Raises:
        ModelError: damaged, or it would run code from the file.
    """
    stored = _inspect(path, kind, allow_custom_code)
    if kind is SourceKind.SAVED_MODEL:
        return _load_saved_model(path, stored)
    if stored.keras == 2:
        return SourceModel.from_keras(_load_keras2(path, kind, allow_custom_code))
    model = _load_keras3(path, kind, allow_custom_code)
    try:
        return SourceModel.from_keras(rebuild(model, path.name, sample_shapes=sample_shapes))
    except UnsupportedError as error:
        reason = "; ".join([error.message, *error.details])
        note = f"converted from Keras 3 directly, compression is not available: {reason}"
        return SourceModel.from_keras(model, is_tf_keras=False, notes=(note,))


def load_tf_keras(
    path: Path,
    kind: SourceKind,
    *,
    allow_custom_code: bool = False,
    sample_shapes: Sequence[Shape] | None = None,
) -> Any:
    """Load a model as ``tf_keras.Model``, which the Model Optimization Toolkit takes.

    Raises:
        ModelError: damaged, or it would run code from the file.
        UnsupportedError: it has no tf_keras form; names every layer that is in the way.
    """
    stored = _inspect(path, kind, allow_custom_code)
    if kind is SourceKind.SAVED_MODEL:
        model = _load_saved_keras(path, stored)
        if isinstance(model, str):
            raise UnsupportedError(f"{path}: only the graph of this SavedModel can be used: {model}")
        return model
    if stored.keras == 2:
        return _load_keras2(path, kind, allow_custom_code)
    return rebuild(_load_keras3(path, kind, allow_custom_code), path.name, sample_shapes=sample_shapes)


def _variables_of(model: Any) -> Any:
    """A Keras 3 model's variables in a form that TensorFlow saves with a function; the converter needs that."""
    import tensorflow as tf

    module = tf.Module(name=model.name)
    module.model_variables = [variable.value for variable in model.variables]
    return module


def _inspect(path: Path, kind: SourceKind, allow_custom_code: bool) -> StoredConfig:
    """The model's configuration, refused if it carries code and the user does not vouch for it."""
    if kind is SourceKind.TFLITE:
        raise UnsupportedError(f"{path}: a .tflite file is converted already; there is no Keras model in it")
    stored = read_config(path, kind)
    code = [] if allow_custom_code else carried_code(stored, _known_layer(kind, stored.keras))
    if code:
        raise ModelError(
            f"{path}: {len(code)} of its layers would run code of their own", hint=_CODE_HINT, details=code
        )
    return stored


def _known_layer(kind: SourceKind, keras_version: int) -> Callable[[str], bool]:
    import keras
    import tf_keras

    if kind is SourceKind.SAVED_MODEL:  # holds the graphs of custom layers, not their code
        return lambda name: True
    if keras_version == 3:
        return lambda name: name in _KERAS3_INTERNAL_LAYERS or hasattr(keras.layers, name)
    return lambda name: name in _KERAS2_INTERNAL_LAYERS or hasattr(tf_keras.layers, name)


def _load_keras2(path: Path, kind: SourceKind, allow_custom_code: bool) -> Any:
    import tf_keras

    with _named_by_content(path, kind) as file, _as_model_error(path):
        return tf_keras.models.load_model(file, compile=False, safe_mode=not allow_custom_code)


def _load_keras3(path: Path, kind: SourceKind, allow_custom_code: bool) -> Any:
    import keras

    with _named_by_content(path, kind) as file, _as_model_error(path):
        return keras.models.load_model(file, compile=False, safe_mode=not allow_custom_code)


def _load_saved_model(path: Path, stored: StoredConfig) -> SourceModel:
    model = _load_saved_keras(path, stored)
    if not isinstance(model, str):
        return SourceModel.from_keras(model)
    note = f"converted from the SavedModel's graph, compression is not available: {model}"
    return _load_signature(path, note)


def _load_saved_keras(path: Path, stored: StoredConfig) -> Any:
    """The tf_keras model in a SavedModel, or a text that says why there is none."""
    import tf_keras

    if not stored.objects:
        return "it was not saved from a Keras 2 model"
    known = _known_layer(SourceKind.HDF5, 2)
    foreign = carried_code(StoredConfig(stored.objects, 2), known)
    if foreign:
        return "; ".join(foreign)
    try:
        with _as_model_error(path):
            model = tf_keras.models.load_model(str(path), compile=False)
    except ModelError as error:
        return error.message
    return model if isinstance(model, tf_keras.Model) and model.inputs else "its layers can't be revived"


def _load_signature(path: Path, note: str) -> SourceModel:
    """A SavedModel's serving signature as a function; inputs in the order of their names."""
    import tensorflow as tf

    with _as_model_error(path):
        loaded = tf.saved_model.load(str(path))
    signatures = loaded.signatures
    if not signatures:
        raise ModelError(f"{path}: the SavedModel has no signature", hint="Save it with a serving_default signature.")
    name = "serving_default" if "serving_default" in signatures else next(iter(signatures))
    function = signatures[name]
    specs = dict(sorted(function.structured_input_signature[1].items()))
    unknown = [key for key, spec in specs.items() if spec.shape.rank is None or spec.shape.rank < 1]
    if unknown or not specs:
        raise ModelError(f"{path}: input {', '.join(unknown) or 'missing'} of {name} has no shape with a batch")

    def call(*inputs: Any) -> list[Any]:
        outputs = function(**dict(zip(specs, inputs, strict=True)))
        return [outputs[key] for key in sorted(outputs)]

    return SourceModel(
        name=path.name,
        call=call,
        input_shapes=tuple(tuple(spec.shape[1:]) for spec in specs.values()),
        input_dtypes=tuple(spec.dtype.name for spec in specs.values()),
        tf_keras=None,
        owner=loaded,
        notes=(note,),
    )


@contextlib.contextmanager
def _named_by_content(path: Path, kind: SourceKind) -> Iterator[str]:
    """A path to the file whose suffix says what it is: Keras chooses its loader by that."""
    suffix = _SUFFIXES[kind]
    if path.suffix == suffix:
        yield str(path)
        return
    with tempfile.TemporaryDirectory(prefix="tinygen-") as directory:
        link = Path(directory) / f"model{suffix}"
        link.symlink_to(path.resolve())
        yield str(link)


@contextlib.contextmanager
def _as_model_error(path: Path) -> Iterator[None]:
    """Whatever Keras raises while loading means that it can't use the file."""
    try:
        yield
    except InputError:
        raise
    except RecursionError:
        raise ModelError(f"{path}: its layers are nested absurdly deep") from None
    except MemoryError:
        raise ModelError(f"{path}: loading it takes more memory than there is") from None
    except Exception as error:
        raise ModelError(
            f"{path}: Keras can't load it: {essence(error)}",
            hint="Was it saved whole, by model.save(), with a version of Keras from 2.4 to 3?",
        ) from error
