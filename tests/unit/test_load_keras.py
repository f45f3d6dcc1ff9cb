"""Every stored form of a Keras model, and what is refused before anything is deserialized."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tinygen.errors import InputError, ModelError, UnsupportedError
from tinygen.load import SourceKind, detect
from tinygen.load.keras import load_source, load_tf_keras
from tinygen.load.safety import StoredConfig, carried_code

MARKER = "TINYGEN_TEST_CODE_RAN"


def network(package: Any) -> Any:
    """The same small model in either Keras."""
    inputs = package.Input((6, 6, 2), name="image")
    x = package.layers.Conv2D(3, 3, name="conv")(inputs)
    x = package.layers.BatchNormalization(name="norm")(x)
    x = package.layers.LeakyReLU(name="act")(x)
    return package.Model(inputs, package.layers.Dense(4, name="dense")(package.layers.Flatten(name="flat")(x)))


FORMS: list[tuple[Any, str, SourceKind]] = [
    (keras, "m.keras", SourceKind.KERAS3),
    (keras, "m.h5", SourceKind.HDF5),
    (tf_keras, "m.keras", SourceKind.KERAS2_ZIP),
    (tf_keras, "m.h5", SourceKind.HDF5),
    (tf_keras, "saved", SourceKind.SAVED_MODEL),
]


@pytest.mark.parametrize(("package", "name", "kind"), FORMS, ids=lambda v: getattr(v, "__name__", str(v)))
def test_each_form_loads_as_tf_keras_with_its_names_and_outputs(
    tmp_path: Path, package: Any, name: str, kind: SourceKind
) -> None:
    model = network(package)
    model.save(tmp_path / name)
    path = (tmp_path / name).rename(tmp_path / "anonymous")
    assert detect(path) is kind
    loaded = load_tf_keras(path, kind)
    assert isinstance(loaded, tf_keras.Model)
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 2)).astype(np.float32)
    np.testing.assert_allclose(np.asarray(loaded(x)), np.asarray(model(x)), rtol=1e-4, atol=1e-5)


def test_plain_saved_model_is_used_as_a_graph_with_inputs_by_name(tmp_path: Path) -> None:
    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 2], name="b"), tf.TensorSpec([None, 3], name="a")])
        def call(self, b: Any, a: Any) -> Any:
            return {"out": tf.concat([b, a], 1)}

    module = Module()
    tf.saved_model.save(module, str(tmp_path / "m"), signatures=module.call)
    source = load_source(tmp_path / "m", SourceKind.SAVED_MODEL)
    assert source.tf_keras is None and "compression is not available" in source.notes[0]
    assert source.input_shapes == ((3,), (2,))  # a, b
    assert np.asarray(source.call(tf.zeros([1, 3]), tf.ones([1, 2]))[0]).tolist() == [[1, 1, 0, 0, 0]]
    with pytest.raises(UnsupportedError, match="only the graph"):
        load_tf_keras(tmp_path / "m", SourceKind.SAVED_MODEL)


def test_saved_model_of_a_custom_layer_is_used_as_a_graph(tmp_path: Path) -> None:
    class Twice(tf_keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return 2.0 * x

    tf_keras.Sequential([tf_keras.Input((3,)), Twice(name="twice")]).save(tmp_path / "m")
    source = load_source(tmp_path / "m", SourceKind.SAVED_MODEL)
    assert source.tf_keras is None and "twice" in source.notes[0]
    assert np.asarray(source.call(tf.ones([1, 3]))[0]).tolist() == [[2, 2, 2]]


def test_keras3_model_without_a_twin_is_loaded_as_it_is(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4, 4, 2)), keras.layers.AdaptiveAveragePooling2D(2, name="odd")])
    model.save(tmp_path / "m.keras")
    source = load_source(tmp_path / "m.keras", SourceKind.KERAS3)
    assert source.tf_keras is None and 'layer "odd"' in source.notes[0]
    with pytest.raises(UnsupportedError):
        load_tf_keras(tmp_path / "m.keras", SourceKind.KERAS3)


def evil(x: Any) -> Any:
    import os

    os.environ["TINYGEN_TEST_CODE_RAN"] = "1"
    return x


@pytest.mark.parametrize(("package", "name", "kind"), FORMS, ids=lambda v: getattr(v, "__name__", str(v)))
def test_lambda_layers_are_refused_and_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: Any, name: str, kind: SourceKind
) -> None:
    inner = package.Sequential([package.Input((3,)), package.layers.Lambda(lambda x: evil(x), name="trojan")])
    package.Sequential([package.Input((3,)), package.layers.Dense(3), inner]).save(tmp_path / name)
    monkeypatch.delenv(MARKER, raising=False)
    for load in (load_source, load_tf_keras):
        with pytest.raises(ModelError) as caught:
            load(tmp_path / name, kind)
        assert any('"trojan" (Lambda): carries Python code' in line for line in caught.value.details)
        assert "--allow-custom-code" in caught.value.hint
    assert MARKER not in os.environ


@pytest.mark.parametrize("package", [keras, tf_keras], ids=["keras", "tf_keras"])
def test_lambda_layers_load_when_the_user_vouches_for_them(tmp_path: Path, package: Any) -> None:
    package.Sequential([package.Input((3,)), package.layers.Lambda(lambda x: x * 2.0)]).save(tmp_path / "m.keras")
    source = load_source(tmp_path / "m.keras", detect(tmp_path / "m.keras"), allow_custom_code=True)
    assert np.asarray(source.call(tf.ones([1, 3]))[0]).tolist() == [[2, 2, 2]]


@pytest.mark.parametrize(("package", "name", "kind"), FORMS[:4], ids=lambda v: getattr(v, "__name__", str(v)))
def test_custom_layers_are_refused_by_name(tmp_path: Path, package: Any, name: str, kind: SourceKind) -> None:
    @package.utils.register_keras_serializable("mine", name=f"Own{package.__name__}")
    class Own(package.layers.Layer):
        def call(self, x: Any) -> Any:
            return x

    package.Sequential([package.Input((3,)), Own(name="mine1")]).save(tmp_path / name)
    with pytest.raises(ModelError) as caught:
        load_source(tmp_path / name, kind)
    assert any('"mine1"' in line and "custom" in line for line in caught.value.details)


def layer(**config: Any) -> dict[str, Any]:
    return {"module": "keras.layers", "class_name": "Dense", "config": {"name": "d", **config}, "registered_name": None}


@pytest.mark.parametrize(
    "config",
    [
        layer(activation={"class_name": "__lambda__", "config": {"code": "4wEA"}}),
        layer(activation={"value": ["4wEAAAAAAAAAAAAAAAIAAAADAAAA8wwAAACXAHwAZAF6BQAAUwApAk7pAgAAAA==", None, None]}),
        layer(activation={"module": "os", "class_name": "function", "config": "system", "registered_name": "function"}),
        layer(activation={"module": "builtins", "class_name": "function", "config": "f", "registered_name": "f"}),
        layer(x={"module": "keras.utils", "class_name": "function", "config": "get_file"}),
        layer(x={"module": "keras.src.saving.saving_api", "class_name": "load_model", "config": {}}),
        layer() | {"registered_name": "mine>Dense"},
        layer() | {"module": "mypackage.layers"},
        layer() | {"module": "kerasx.layers"},
        layer() | {"module": None, "class_name": "Unknown"},
        layer() | {"class_name": "TFSMLayer"},
        layer(function="io.write_file") | {"class_name": "TFOpLambda"},
        layer(function="py_function") | {"class_name": "TFOpLambda"},
        layer(function="compat.v1.py_func") | {"class_name": "TFOpLambda"},
        layer(node_def='{"op": "WriteFile"}') | {"class_name": "TensorFlowOpLayer"},
    ],
)
def test_suspicious_configurations(config: dict[str, Any]) -> None:
    for keras_version in (2, 3):
        model = {"class_name": "Sequential", "module": "keras", "config": {"name": "m", "layers": [config]}}
        assert carried_code(StoredConfig((model,), keras_version), lambda name: name != "Unknown")


def test_configurations_without_code() -> None:
    harmless = [
        layer(
            activation="relu", kernel_initializer={"module": "keras.initializers", "class_name": "Zeros", "config": {}}
        ),
        layer(function="math.add") | {"class_name": "TFOpLambda"},
        {"module": "keras.src.ops.numpy", "class_name": "Add", "config": {"name": "add"}, "registered_name": "Add"},
    ]
    compiled = {"loss": {"module": "mine", "class_name": "function", "config": "loss"}}
    model = {"class_name": "Functional", "config": {"name": "m", "layers": harmless}, "compile_config": compiled}
    assert carried_code(StoredConfig((model,), 3), lambda name: True) == []


def test_graph_operators_that_reach_outside() -> None:
    ops = frozenset({"Conv2D", "SaveV2", "RestoreV2", "MergeV2Checkpoints", "WriteFile", "EagerPyFunc"})
    found = carried_code(StoredConfig((), 2, ops), lambda name: True)
    assert found == ["the graph uses EagerPyFunc", "the graph uses WriteFile"]


def rewrite(path: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """Change the members of a .keras archive."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def _deep(members: dict[str, bytes]) -> None:
    members["config.json"] = b'{"config":' * 20_000 + b"1" + b"}" * 20_000


def _missing_weights(members: dict[str, bytes]) -> None:
    del members["model.weights.h5"]


def _cut_weights(members: dict[str, bytes]) -> None:
    members["model.weights.h5"] = members["model.weights.h5"][:1000]


def _bad_json(members: dict[str, bytes]) -> None:
    members["config.json"] = b"{"


def _not_an_object(members: dict[str, bytes]) -> None:
    members["config.json"] = b"[1]"


def _other_shape(members: dict[str, bytes]) -> None:
    members["config.json"] = members["config.json"].replace(b'"filters": 3', b'"filters": 5')


@pytest.mark.parametrize("change", [_deep, _missing_weights, _cut_weights, _bad_json, _not_an_object, _other_shape])
def test_damaged_archives(tmp_path: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    for package in (keras, tf_keras):
        path = tmp_path / f"{package.__name__}.keras"
        network(package).save(path)
        rewrite(path, change)
        with pytest.raises(InputError, match=path.name):
            load_source(path, detect(path))


def test_damaged_hdf5_files(tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    network(tf_keras).save(path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ModelError, match="damaged or truncated HDF5"):
        load_source(path, SourceKind.HDF5)
    network(tf_keras).save_weights(path)
    with pytest.raises(ModelError, match="weights without an architecture"):
        load_source(path, SourceKind.HDF5)


def test_hdf5_that_reaches_into_other_files_or_claims_absurd_sizes(tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    config = json.dumps({"class_name": "Sequential", "config": []})
    for build, message in (
        (lambda f: f.__setitem__("w", h5py.ExternalLink("/etc/passwd", "/")), "refers to another file"),
        (lambda f: f.create_dataset("w", (8,), "u1", external=[("/etc/passwd", 0, 8)]), "lie in another file"),
        (lambda f: f.create_dataset("w", (1 << 32,), "f4", chunks=(1 << 20,)), "claims to hold"),
    ):
        with h5py.File(path, "w") as file:
            file.attrs["model_config"] = config
            build(file)
        with pytest.raises(ModelError, match=message):
            load_source(path, SourceKind.HDF5)


def test_damaged_saved_model(tmp_path: Path) -> None:
    for content, message in ((b"\xff" * 50, "damaged"), (b"\x08\x01", "holds no graph")):
        (tmp_path / "saved_model.pb").write_bytes(content)
        with pytest.raises(ModelError, match=message):
            load_source(tmp_path, SourceKind.SAVED_MODEL)


def test_a_model_that_does_not_know_its_inputs(tmp_path: Path) -> None:
    keras.Sequential([keras.layers.Dense(3)]).save(tmp_path / "m.keras")
    with pytest.raises(ModelError, match="does not know its input shape"):
        load_source(tmp_path / "m.keras", SourceKind.KERAS3)
