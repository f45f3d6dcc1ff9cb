"""Pruning and clustering by the Model Optimization Toolkit: traps are named or avoided, and int8 keeps the result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.digits import digits, digits_model

from tinygen.compress.constraints import Mask, smallest_mask
from tinygen.compress.engine import Outcome, run_recipe
from tinygen.compress.int8 import int8_weights
from tinygen.compress.kernels import columns, kernels
from tinygen.compress.recipe import parse_recipe
from tinygen.compress.replay import clone
from tinygen.compress.steps import tfmot_clustering, tfmot_pruning
from tinygen.compress.steps.tfmot_pruning import Schedule

FAST = {"epochs": 1, "learning_rate": 1e-3}
CLUSTER = {"kind": "cluster", "values": 6, "engine": "tfmot", **FAST}
Run = Callable[..., Outcome]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(*steps: dict[str, Any], model: Any = None) -> Outcome:
        recipe = parse_recipe({"name": "test", "max_drop": 1.0, "step": list(steps)}, "test")
        chosen = digits_model() if model is None else model
        options = {"cache": tmp_path, "resume": False, "say": lambda text: None}
        return run_recipe(chosen, digits(), recipe, source="digits", hashes=("m", "d"), **options)

    return run


def _codes(outcome: Outcome) -> dict[str, np.ndarray]:
    """The int8 weights by layer, [inputs, channels]."""
    assert outcome.state.tflite is not None
    content = bytearray(outcome.state.tflite)
    return {outcome.state.bindings[w.operator].layer: w.matrix for w in int8_weights(content)}


def _odd_model() -> Any:
    """What TFMOT's defaults pass over: a convolution without bias, a depthwise, a transposed and a 1D one."""
    import tf_keras
    from tf_keras import layers

    tf_keras.utils.set_random_seed(1)
    inputs = tf_keras.Input((8, 8, 1))
    biased = {"activation": "relu", "bias_initializer": "uniform"}  # biases that are all zero share their bytes
    x = layers.Conv2D(8, 3, strides=2, use_bias=False, activation="relu", name="bare")(inputs)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise", **biased)(x)
    x = layers.Conv2DTranspose(12, 3, name="transposed", **biased)(x)
    x = layers.Reshape((25, 12))(x)
    x = layers.Conv1D(8, 3, name="line", **biased)(x)
    return tf_keras.Model(inputs, layers.Dense(10, name="classes")(layers.Flatten()(x)))


@pytest.mark.parametrize("total", [1, 2, 7, 13, 156])
@pytest.mark.parametrize("begin", [0.0, 0.3, 0.99])
@pytest.mark.parametrize("power", [None, 3.0])
def test_schedules_end_with_an_update_within_the_training(total: int, begin: float, power: float | None) -> None:
    for end in (0.01, 0.5, 1.0):
        for frequency in (1, 5, 100):
            schedule = Schedule.of(total, begin, end, frequency, power)
            assert 1 <= schedule.begin <= schedule.end <= total
            assert (schedule.end - schedule.begin) % schedule.frequency == 0
            assert schedule.power is None or schedule.end > schedule.begin


@pytest.mark.slow
@pytest.mark.parametrize("power", [None, 3.0])
def test_a_schedule_has_its_goal_at_its_end(power: float | None) -> None:
    schedule = Schedule.of(38, 0.1, 0.9, 5, power)
    updates, sparsity = schedule.between(0.1, 0.6)(np.int64(schedule.end))
    assert bool(updates) and float(sparsity) == pytest.approx(0.6)


@pytest.mark.slow
def test_patterns_hold_in_every_kind_of_layer(run: Run) -> None:
    """TFMOT makes those of Conv2D and Dense; of the transposed and the 1D layer it would fail, once silently."""
    outcome = run({"kind": "prune", "pattern": "1:4", **FAST}, model=_odd_model())
    codes = _codes(outcome)
    for layer in ("transposed", "line", "classes"):
        assert (codes[layer].T.reshape(-1, 4) != 0).sum(axis=1).max() == 1, layer
    assert {line.split('"')[1] for line in outcome.log.steps[0].left_alone} == {"bare", "depthwise"}


@pytest.mark.slow
def test_pruning_again_gives_up_no_zero(run: Run) -> None:
    prune = {"kind": "prune", "layers": ["second"], **FAST}
    outcome = run({**prune, "sparsity": 0.5}, {**prune, "sparsity": 0.2})
    assert (_codes(outcome)["second"] == 0).mean() >= 0.499


@pytest.mark.slow
def test_pruning_without_training_takes_the_smallest(run: Run) -> None:
    model = digits_model()
    outcome = run({"kind": "prune", "sparsity": 0.4, "epochs": 0, "layers": ["second"]})
    kept = outcome.state.model.get_layer("second").kernel.numpy() != 0
    assert np.array_equal(kept, smallest_mask(model.get_layer("second").kernel.numpy(), 0.4).keep)


@pytest.mark.slow
def test_layers_that_tfmot_passes_over_are_clustered_and_named(run: Run) -> None:
    outcome = run({**CLUSTER, "scope": "channel"}, model=_odd_model())
    assert all(len(np.unique(column)) <= 6 for codes in _codes(outcome).values() for column in codes.T)
    for (layer, attribute), constraint in outcome.state.constraints.items():  # trained under it, too
        weights = getattr(outcome.state.model.get_layer(layer), attribute).numpy()
        assert np.allclose(constraint.project(weights), weights, atol=1e-6), layer
    notes = {line.split('"')[1]: line for line in outcome.log.steps[0].notes}
    assert "passes over a Conv2D without bias" in notes["bare"]
    for layer, kind in [("depthwise", "DepthwiseConv2D"), ("transposed", "Conv2DTranspose"), ("line", "Conv1D")]:
        assert f"by the channel in no {kind}" in notes[layer]


@pytest.mark.slow
@pytest.mark.parametrize("centroids", ["exact", "kmeans++", "density", "linear", "random"])
def test_a_tensor_has_few_int8_values_wherever_tfmot_starts(run: Run, centroids: str) -> None:
    outcome = run({**CLUSTER, "centroids": centroids}, model=_odd_model())
    assert all(len(np.unique(codes)) <= 6 for codes in _codes(outcome).values())
    assert not any("without TFMOT" in line for line in outcome.log.steps[0].notes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "scope", "values"),
    [("tfmot", "tensor", 6), ("tfmot", "tensor", 2), ("tfmot", "channel", 6), ("tinygen", "tensor", 6)],
)
def test_zeros_survive_clustering(run: Run, engine: str, scope: str, values: int) -> None:
    cluster = {**CLUSTER, "values": values, "scope": scope, "engine": engine}
    outcome = run({"kind": "prune", "sparsity": 0.5, **FAST}, cluster)
    for layer in ("pointwise", "second", "classes"):
        codes = _codes(outcome)[layer]
        assert (codes == 0).mean() >= 0.49, layer
        assert all(len(np.unique(c)) <= values for c in ([codes] if scope == "tensor" else codes.T)), layer
    assert engine == "tinygen" or any("3 values or more" in n for n in outcome.log.steps[1].notes) == (values == 2)


@pytest.mark.slow
def test_quantization_aware_training_keeps_what_tfmot_made_and_repeats(run: Run) -> None:
    """PCQAT, twice."""
    steps = ({"kind": "prune", "sparsity": 0.5, **FAST}, CLUSTER, {"kind": "qat", **FAST})
    outcome = run(*steps)
    for layer in ("pointwise", "second", "classes"):
        codes = _codes(outcome)[layer]
        assert (codes == 0).mean() >= 0.49 and len(np.unique(codes)) <= 6, layer
    assert run(*steps).state.tflite == outcome.state.tflite


@pytest.mark.slow
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("zeros", [False, True])
def test_int8_has_the_values_that_tfmot_shared(per_channel: bool, zeros: bool) -> None:
    """What is handed on differs from what TFMOT trained by the rounding of its values to int8, and no more."""
    from tensorflow_model_optimization.clustering import keras as tfmot

    model = clone(digits_model())
    goals = {}
    for kernel in kernels(model):
        if per_channel and kernel.layer != "second":
            continue
        variable = getattr(model.get_layer(kernel.layer), kernel.attribute)
        mask = smallest_mask(variable.numpy(), 0.3)
        if zeros:
            variable.assign(mask.project(variable.numpy()))
        goals[kernel.layer] = tfmot_clustering.Goal(kernel, 5, per_channel, mask.keep if zeros else None)
    before = model.get_weights()
    wrapped = tfmot_clustering.wrap(model, goals, "exact")
    result, found = tfmot_clustering.strip(wrapped, goals, model)
    stripped = tfmot.strip_clustering(wrapped)
    assert set(found) == set(goals)
    for name, goal in goals.items():
        theirs = getattr(stripped.get_layer(name), goal.kernel.attribute).numpy()
        ours = getattr(result.get_layer(name), goal.kernel.attribute).numpy()
        steps = columns(np.abs(theirs - ours), goal.kernel.kind) / found[name].scales
        assert steps.max() <= 0.5 + 1e-3 and len(np.unique(theirs)) > 3
        assert goal.keep is None or not ours[~goal.keep].any()
    # cluster_weights spoils the layers that it is given.
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert type(model.get_layer("second").kernel).__name__ == "ResourceVariable"


@pytest.mark.slow
def test_the_pruning_wrapper_knows_depthwise_layers() -> None:
    model = clone(digits_model())
    wrapped = tfmot_pruning.wrap(model, {"depthwise": Schedule(1, 1, 1, None).between(0.0, 0.5)})
    tfmot_pruning.prepare(wrapped)
    wrapped(digits().inputs[0][:4], training=True)
    stripped, masks = tfmot_pruning.strip(wrapped)
    kernel = stripped.get_layer("depthwise").depthwise_kernel.numpy()
    assert set(masks) == {"depthwise"} and masks["depthwise"].mean() == pytest.approx(0.5, abs=0.01)
    assert not kernel[~masks["depthwise"]].any() and np.array_equal(kernel, Mask(masks["depthwise"]).project(kernel))


@pytest.mark.slow
def test_a_keras_3_model_is_pruned_and_clustered(run: Run, tmp_path: Path) -> None:
    """TFMOT would raise on the one step and return nothing from the other."""
    import keras

    from tinygen.load import detect
    from tinygen.load.keras import load_tf_keras

    keras.utils.set_random_seed(1)
    layers = [keras.Input((8, 8, 1)), keras.layers.Conv2D(8, 3, name="conv"), keras.layers.Flatten()]
    keras.Sequential([*layers, keras.layers.Dense(10, name="classes")]).save(tmp_path / "three.keras")
    model = load_tf_keras(tmp_path / "three.keras", detect(tmp_path / "three.keras"), allow_custom_code=False)
    outcome = run({"kind": "prune", "sparsity": 0.5, **FAST}, {**CLUSTER, "values": 4}, model=model)
    for layer in ("conv", "classes"):
        codes = _codes(outcome)[layer]
        assert (codes == 0).mean() >= 0.49 and len(np.unique(codes)) <= 4
