"""Look at what a Keras model file says of itself before Keras acts on it.

Deserializing a Keras model can run Python that the file carries (Lambda layers), import modules that it
names, or allocate what it claims to need. So its configuration is read as plain JSON first, and what is
not a layer of Keras's own is refused unless the user vouches for the file.
"""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinygen.errors import ModelError
from tinygen.load import MAX_CONFIG_BYTES, MAX_MODEL_BYTES, SourceKind, check_archive

__all__ = ["StoredConfig", "carried_code", "read_config"]

Config = dict[str, Any]

_CODE_LAYERS = {"Lambda", "__lambda__"}
_FOREIGN_LAYERS = {"TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}
# Parts of Keras whose functions read, write or fetch files; a configuration has no business naming them.
_KERAS_GADGETS = re.compile(r"keras\.(src\.)?(utils|saving|config|datasets|export|callbacks|models\.cloning)\b")
# TensorFlow functions that a TFOpLambda layer of Keras 2 may name: those that only compute.
_PURE_TF = re.compile(r"(compat\.v1\.)?((math|nn|linalg|image|signal|__operators__|keras\.backend)\.\w+|\w+)")
_IMPURE_TF = {
    "py_func",
    "py_function",
    "numpy_function",
    "load_library",
    "load_op_library",
    "print",
    "function",
    "device",
}
_IMPURE_OPS = re.compile(
    r"(Eager)?PyFunc|PyFuncStateless|(Read|Write|Matching)Files?\w*|ImmutableConst|\w*DatasetV?\d?"
)
# Python's marshal format begins a code object with 0xe3 (or 0x63) and a small argument count.
_MARSHALLED = re.compile(r"(4w|Yw)[A-Za-z0-9+/\n]{40}")
_LAYER_KEYS = ("layers", "layer", "backward_layer", "cell", "cells")


@dataclass(frozen=True, slots=True)
class StoredConfig:
    """What a model file says of itself.

    Attributes:
        objects: serialized Keras objects: the model, or each layer that a SavedModel lists.
        keras: major version of the Keras that wrote it: 2 or 3.
        graph_ops: kinds of operators in a SavedModel's graphs; empty for others.
    """

    objects: tuple[Config, ...]
    keras: int
    graph_ops: frozenset[str] = frozenset()


def read_config(path: Path, kind: SourceKind) -> StoredConfig:
    """Read a model's configuration without acting on it, and check its sizes.

    Raises:
        ModelError: damaged, absurdly large, or without an architecture.
    """
    try:
        if kind in (SourceKind.KERAS3, SourceKind.KERAS2_ZIP):
            return _from_archive(path, 3 if kind is SourceKind.KERAS3 else 2)
        if kind is SourceKind.HDF5:
            return _from_hdf5(path)
        return _from_saved_model(path)
    except RecursionError:
        raise ModelError(f"{path}: its configuration is nested absurdly deep") from None


def carried_code(stored: StoredConfig, known_layer: Callable[[str], bool]) -> list[str]:
    """Everything in a configuration that would run code from the file or from outside Keras.

    Args:
        known_layer: tells whether the Keras that wrote the file has a layer of this class name.

    Returns:
        One line each, naming the layer; empty for a model of Keras's own layers.
    """
    found: list[str] = []
    for config in stored.objects:
        found += _suspicious(config, stored.keras, known_layer, "", is_layer=True)
    found += [f"the graph uses {op}" for op in sorted(stored.graph_ops) if _IMPURE_OPS.fullmatch(op)]
    return list(dict.fromkeys(found))


def _suspicious(
    value: object, keras: int, known_layer: Callable[[str], bool], owner: str, *, is_layer: bool
) -> Iterator[str]:
    if isinstance(value, list):
        if _is_marshalled(value):
            yield f'layer "{owner}": carries Python code'
            return
        for item in value:
            yield from _suspicious(item, keras, known_layer, owner, is_layer=is_layer)
    if not isinstance(value, dict):
        return
    name = value.get("class_name")
    if isinstance(name, str):
        owner = _own_name(value) or owner
        problem = _problem(value, name, keras)
        if problem is None and is_layer and not value.get("module") and not known_layer(name):
            problem = "a custom layer"
        if problem is not None:
            yield f'layer "{owner}" ({name}): {problem}'
            return
    for key, item in value.items():
        # What only training uses is never deserialized here (compile=False).
        if key not in ("compile_config", "training_config"):
            yield from _suspicious(item, keras, known_layer, owner, is_layer=key in _LAYER_KEYS)


def _is_marshalled(value: list[Any]) -> bool:
    """Whether a list is Keras's form of a Python function: base64 of its code, defaults, closure."""
    return len(value) == 3 and isinstance(value[0], str) and bool(_MARSHALLED.match(value[0]))


def _own_name(config: Config) -> str:
    inner = config.get("config")
    name = inner.get("name") if isinstance(inner, dict) else None
    return name if isinstance(name, str) else str(config.get("name") or "")


def _problem(config: Config, name: str, keras: int) -> str | None:
    """Why deserializing one object would leave Keras; ``None`` if it would not."""
    inner = config.get("config")
    if name in _CODE_LAYERS or (isinstance(inner, dict) and inner.get("function_type") == "lambda"):
        return "carries Python code"
    if name in _FOREIGN_LAYERS:
        return "runs a model from outside the file"
    if name == "TensorFlowOpLayer" and re.search(r"PyFunc|ReadFile|WriteFile|ImmutableConst", str(inner)):
        return "wraps an operator that reaches outside the model"
    if name == "TFOpLambda" and not _pure_function(inner):
        return f"calls {inner.get('function') if isinstance(inner, dict) else inner}"
    module, registered = config.get("module"), config.get("registered_name")
    if isinstance(registered, str) and ">" in registered and not registered.startswith(("keras", "Keras")):
        return f"a custom object ({registered})"
    if module is None or (keras == 2 and module == "builtins" and name != "function"):
        return "a custom function" if name == "function" else None
    if module == "builtins":
        return f"a custom function ({inner})" if name == "function" else None
    root = str(module).split(".")[0]
    if root not in ("keras", "tf_keras") or _KERAS_GADGETS.match(str(module).removeprefix("tf_")):
        return f"a custom object from {module}"
    return None


def _pure_function(config: object) -> bool:
    function = config.get("function") if isinstance(config, dict) else None
    if not isinstance(function, str) or not _PURE_TF.fullmatch(function):
        return False
    return not _IMPURE_TF.intersection(function.split("."))


def _from_archive(path: Path, keras: int) -> StoredConfig:
    check_archive(path)
    with zipfile.ZipFile(path) as archive:
        config = _parse(path, archive.read("config.json"))
        weights = [name for name in archive.namelist() if name.endswith(".h5")]
        for name in weights:
            _check_hdf5(path, io.BytesIO(archive.read(name)))
    return StoredConfig((config,), keras)


def _from_hdf5(path: Path) -> StoredConfig:
    import h5py

    _check_hdf5(path, path)
    with h5py.File(path, "r") as file:
        attributes = dict(file.attrs)
    if "model_config" not in attributes:
        raise ModelError(
            f"{path}: holds weights without an architecture",
            hint="Save the whole model with model.save(), not model.save_weights().",
        )
    config = _parse(path, attributes["model_config"])
    version = attributes.get("keras_version", b"2")
    version = version.decode(errors="replace") if isinstance(version, bytes) else str(version)
    return StoredConfig((config,), 3 if version.startswith("3") else 2)


def _from_saved_model(path: Path) -> StoredConfig:
    from tensorflow.core.protobuf import saved_model_pb2

    saved = _proto(path / "saved_model.pb", saved_model_pb2.SavedModel())
    if not saved.meta_graphs:
        raise ModelError(f"{path}: saved_model.pb holds no graph")
    graph = saved.meta_graphs[0]
    nodes = [*graph.graph_def.node, *(n for f in graph.graph_def.library.function for n in f.node_def)]
    objects = [_parse(path, text) for text in _keras_metadata(path, graph) if text]
    return StoredConfig(tuple(objects), 2, frozenset(node.op for node in nodes))


def _keras_metadata(path: Path, graph: Any) -> Iterator[str]:
    """The JSON that Keras 2 keeps for each layer: in a file of its own since TensorFlow 2.5, in the graph before."""
    separate = path / "keras_metadata.pb"
    if separate.is_file():
        from tf_keras.protobuf import saved_metadata_pb2

        records = list(_proto(separate, saved_metadata_pb2.SavedMetadata()).nodes)
    else:
        records = [node.user_object for node in graph.object_graph_def.nodes if node.HasField("user_object")]
    for record in records:
        if record.identifier.startswith("_tf_keras_") and record.identifier != "_tf_keras_metric":
            yield record.metadata


def _proto(path: Path, message: Any) -> Any:
    """``message``, filled from a file."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        message.ParseFromString(path.read_bytes())
    except DecodeError:
        raise ModelError(f"{path}: the file is damaged", hint="Save or download the model again.") from None
    except OSError as error:
        raise ModelError(f"{path}: can't be read: {error.strerror}") from None
    return message


def _parse(path: Path, text: str | bytes) -> Config:
    if len(text) > MAX_CONFIG_BYTES:
        raise ModelError(f"{path}: its configuration is larger than {MAX_CONFIG_BYTES:,} bytes")
    try:
        config = json.loads(text)
    except ValueError as error:
        raise ModelError(f"{path}: its configuration is not valid JSON: {error}") from None
    if not isinstance(config, dict):
        raise ModelError(f"{path}: its configuration is not a JSON object")
    return config


def _check_hdf5(path: Path, source: Path | io.BytesIO) -> None:
    """Refuse damaged files, data that lie in other files, and claims of absurd sizes."""
    import h5py

    total = 0

    def visit(name: str, link: object) -> str | None:  # what it returns ends the visit; h5py can't pass exceptions on
        nonlocal total
        if isinstance(link, h5py.ExternalLink):
            return f'"{name}" refers to another file ({link.filename})'
        item = file.get(name)
        if isinstance(item, h5py.Dataset):
            if item.external or item.is_virtual:
                return f'the data of "{name}" lie in another file'
            total += math.prod(item.shape or (0,)) * item.dtype.itemsize
        return None

    try:
        with h5py.File(source, "r") as file:
            problem = file.visititems_links(visit)
    except (OSError, RuntimeError, KeyError, ValueError, SystemError) as error:
        raise ModelError(
            f"{path}: damaged or truncated HDF5 data ({(str(error).splitlines() or [''])[0]})",
            hint="Save or download the model again.",
        ) from None
    if problem is not None:
        raise ModelError(f"{path}: {problem}")
    if total > MAX_MODEL_BYTES:
        raise ModelError(f"{path}: claims to hold {total:,} bytes of weights; tinygen reads {MAX_MODEL_BYTES:,}")
