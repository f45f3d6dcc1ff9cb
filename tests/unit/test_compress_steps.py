"""Each step keeps its promise on the int8 tensors: a small DS-CNN on digits, trained once in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.digits import digits, digits_model, ds_cnn

from tinygen.compress.engine import Outcome, run_recipe
from tinygen.compress.int8 import int8_weights
from tinygen.compress.recipe import parse_recipe
from tinygen.compress.saving import save_keras
from tinygen.errors import OptionError
from tinygen.load.dataset import Dataset

pytestmark = pytest.mark.slow

FAST = {"epochs": 2, "learning_rate": 1e-3}
BIG = ("pointwise", "second", "classes")  # what pruning may touch and has channels enough for


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all, so that common prefixes and the baseline are computed once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def run(cache: Path) -> Callable[..., Outcome]:
    def run(*steps: dict[str, Any], model: Any = None, data: Dataset | None = None, **head: Any) -> Outcome:
        lines: list[str] = head.pop("lines", [])
        options = {"resume": head.pop("resume", True), "cache": head.pop("cache", cache)}
        recipe = parse_recipe({"name": "test", "step": list(steps), **head}, "test")
        chosen = digits_model() if model is None else model
        hashes = (str(id(chosen)), "digits" if data is None else str(id(data)))
        return run_recipe(chosen, data or digits(), recipe, source="digits", hashes=hashes, say=lines.append, **options)

    return run


def _facts(outcome: Outcome) -> dict[str, dict[str, Any]]:
    return {fact["layer"]: dict(fact) for fact in outcome.log.steps[-1].tensors}


def _codes(outcome: Outcome) -> dict[str, np.ndarray]:
    state = outcome.state
    assert state.tflite is not None
    return {state.bindings[w.operator].layer: w.matrix for w in int8_weights(bytearray(state.tflite))}


PRUNE = {"kind": "prune", "sparsity": 0.5, **FAST}
CLUSTER = {"kind": "cluster", "values": 16, **FAST}
QAT = {"kind": "qat", **FAST}


def test_ptq_and_what_is_measured(run: Callable[..., Outcome]) -> None:
    outcome = run({"kind": "ptq"})
    log = outcome.log
    assert log.metric == "accuracy" and log.status == "ok" and log.baseline["float"] > 0.9
    assert log.int8_metric == log.baseline["int8"] and abs(log.int8_drop) < 1e-9
    assert len(_facts(outcome)) == 5 and outcome.log.split["stratified"]


@pytest.mark.parametrize(
    "settings",
    [
        {"sparsity": 0.5},
        {"sparsity": 0.5, "schedule": "constant"},
        {"sparsity": 0.5, "iterations": 2, "initial_sparsity": 0.2},
        {"sparsity": 0.5, "scope": "global"},
    ],
    ids=["polynomial", "constant", "iterative", "global"],
)
def test_prune_leaves_zeros_in_int8(run: Callable[..., Outcome], settings: dict[str, Any]) -> None:
    outcome = run({"kind": "prune", **FAST, **settings})
    facts = _facts(outcome)
    if settings.get("scope") == "global":
        total = sum(facts[layer]["weights"] for layer in ("first", *BIG))
        zeros = sum(facts[layer]["weights"] * facts[layer]["zeros"] for layer in ("first", *BIG))
        assert zeros / total >= 0.499
    else:
        assert all(facts[layer]["zeros"] >= settings["sparsity"] - 0.01 for layer in BIG)
    assert facts["depthwise"]["zeros"] < 0.3
    assert any("depthwise" in line for line in outcome.log.steps[0].left_alone)
    assert outcome.log.int8_metric > 0.7


def test_prune_depthwise_if_asked(run: Callable[..., Outcome]) -> None:
    outcome = run({**PRUNE, "layers": ["kind:depthwise"]})
    assert _facts(outcome)["depthwise"]["zeros"] >= 0.49 > _facts(outcome)["second"]["zeros"]


def test_two_of_four(run: Callable[..., Outcome]) -> None:
    outcome = run({"kind": "prune", "pattern": "2:4", **FAST})
    codes = _codes(outcome)
    for layer in BIG:
        blocks = (codes[layer].T.reshape(-1, 4) != 0).sum(axis=1)
        assert blocks.max() <= 2, layer
    assert any('"first"' in line and "divide by 4" in line for line in outcome.log.steps[0].left_alone)


@pytest.mark.parametrize("scope", ["tensor", "channel"])
def test_cluster_leaves_few_int8_values(run: Callable[..., Outcome], scope: str) -> None:
    outcome = run({**CLUSTER, "values": 8, "scope": scope, "per_layer": {"second": 4}})
    facts = _facts(outcome)
    key = "values" if scope == "tensor" else "values_per_channel"
    assert all(fact[key] <= 8 for fact in facts.values()) and facts["second"][key] <= 4
    assert facts["depthwise"][key] <= 8 and outcome.log.int8_metric > 0.7


@pytest.mark.parametrize("steps", [[PRUNE, CLUSTER], [PRUNE, QAT], [CLUSTER, QAT], [PRUNE, CLUSTER, QAT]])
def test_combinations_keep_what_the_step_before_made(run: Callable[..., Outcome], steps: list[dict[str, Any]]) -> None:
    """PSC, PQAT, CQAT, PCQAT."""
    outcome = run(*steps)
    facts = _facts(outcome)
    if PRUNE in steps:
        assert all(facts[layer]["zeros"] >= 0.49 for layer in BIG)
    if CLUSTER in steps:
        assert all(fact["values"] <= 16 for fact in facts.values())
    assert outcome.log.int8_metric > 0.8
    if QAT in steps:
        assert outcome.log.steps[len(steps) - 1].target == "fake-quantized"


def test_qat_leaves_unknown_layers_to_calibration(run: Callable[..., Outcome]) -> None:
    import tf_keras
    from tf_keras import layers

    tf_keras.utils.set_random_seed(1)
    inputs = tf_keras.Input((8, 8, 1))
    x = layers.Conv2D(8, 3, activation="relu")(inputs)
    x = layers.PReLU(shared_axes=[1, 2], name="odd")(layers.Conv2D(8, 3)(x))
    model = tf_keras.Model(inputs, layers.Dense(10, name="logits")(layers.Flatten()(x)))
    outcome = run({**QAT, "epochs": 1}, model=model)
    assert outcome.task.kind == "logits" and any('"odd"' in line for line in outcome.log.steps[0].left_alone)


@pytest.mark.parametrize("settings", [{}, {"scope": "global", "score": "gamma", "iterations": 2}], ids=["l1", "gamma"])
def test_structured_removes_channels(run: Callable[..., Outcome], settings: dict[str, Any]) -> None:
    outcome = run({"kind": "structured", "fraction": 0.5, **FAST, **settings})
    before, after = outcome.log.steps[0].details["parameters"]
    assert after < 0.6 * before and outcome.log.int8_metric > 0.5
    widths = {layer: codes.shape[1] for layer, codes in _codes(outcome).items()}
    assert widths["first"] == widths["depthwise"] == widths["pointwise"] and widths["classes"] == 10
    if not settings:
        assert widths["first"] == 8 and widths["second"] == 12


def test_low_rank_thins_layers(run: Callable[..., Outcome]) -> None:
    outcome = run({"kind": "low_rank", "budget": 0.6, "energy": 1.0, **FAST})
    shapes = {layer: codes.shape for layer, codes in _codes(outcome).items()}
    assert shapes["pointwise_thin"] == (16, 4) and shapes["pointwise"] == (4, 16)
    assert outcome.log.int8_metric > 0.5 and any('"second"' in line for line in outcome.log.steps[0].left_alone)


def test_distill_into_a_student(run: Callable[..., Outcome], tmp_path: Path) -> None:
    (tmp_path / "student.keras").write_bytes(save_keras(ds_cnn()))
    unlabelled = Dataset(digits().inputs, None, "digits.npz")
    step = {"kind": "distill", "student": "student.keras", "epochs": 6, "learning_rate": 5e-3, "batchnorm": "update"}
    outcome = run(step, data=unlabelled, folder=str(tmp_path))
    assert outcome.log.metric == "agreement" and outcome.log.baseline["float"] == 1.0
    assert outcome.log.float_metric > 0.5  # 3 % of agreement is chance


@pytest.mark.parametrize(
    ("step", "note"),
    [
        ({"kind": "lottery", "epochs": 4, "learning_rate": 3e-3}, "rewound 2 times"),
        ({"kind": "rigl", "frequency": 5, "epochs": 6, "learning_rate": 3e-3}, "weights moved"),
    ],
    ids=["lottery", "rigl"],
)
def test_lottery_and_rigl_end_with_their_sparsity(run: Callable[..., Outcome], step: dict[str, Any], note: str) -> None:
    outcome = run({**step, "sparsity": 0.5})
    assert all(_facts(outcome)[layer]["zeros"] >= 0.49 for layer in BIG)
    assert any(note in line for line in outcome.log.steps[0].notes) and outcome.log.int8_metric > 0.6


@pytest.mark.parametrize("scope", ["tensor", "channel"])
@pytest.mark.parametrize("rescale", [True, False])
def test_round_cluster_without_training(run: Callable[..., Outcome], scope: str, rescale: bool) -> None:
    outcome = run({"kind": "round_cluster", "values": 16, "scope": scope, "rescale": rescale})
    key = "values" if scope == "tensor" else "values_per_channel"
    assert all(fact[key] <= 16 for fact in _facts(outcome).values())
    assert [step.kind for step in outcome.log.steps] == ["ptq", "round_cluster"]
    assert outcome.log.int8_drop <= 0.03


def test_sparsify_int8_and_then_round(run: Callable[..., Outcome]) -> None:
    outcome = run({"kind": "sparsify_int8", "sparsity": 0.3}, {"kind": "round_cluster", "values": 8})
    assert all(fact["zeros"] >= 0.29 and fact["values"] <= 8 for fact in _facts(outcome).values())


def test_sensitivity_is_a_table_and_changes_nothing(run: Callable[..., Outcome]) -> None:
    outcome = run({"kind": "sensitivity", "values": [16, 4]}, {"kind": "ptq"})
    details = outcome.log.steps[0].details
    assert len(details["sensitivity"]) == 5 * 3 and outcome.log.int8_drop == 0
    assert set(details["suggested_values"]) == {"first", "depthwise", "pointwise", "second", "classes"}
    rows = {(r["layer"], r["form"]): r["output_change"] for r in details["sensitivity"]}
    assert rows["second", "4 values"] > rows["second", "16 values"]


def test_int16_activations(run: Callable[..., Outcome]) -> None:
    outcome = run({"kind": "ptq", "activations": "int16"})
    assert abs(outcome.log.int8_metric - outcome.log.baseline["float"]) < 0.02


def test_autoencoder_without_labels(run: Callable[..., Outcome]) -> None:
    import tf_keras
    from tf_keras import layers

    tf_keras.utils.set_random_seed(1)
    x = digits().inputs[0].reshape(-1, 64)
    model = tf_keras.Sequential(
        [layers.Dense(32, activation="relu", input_shape=(64,)), layers.BatchNormalization(), layers.Dense(64)]
    )
    model.compile("adam", "mse")
    model.fit(x, x, epochs=5, verbose=0)
    outcome = run({"kind": "cluster", "values": 16, **FAST}, model=model, data=Dataset((x,), None, "x.npy"))
    assert outcome.log.metric == "mse" and outcome.log.int8_drop < 0.3
    assert all(fact["values"] <= 16 for fact in _facts(outcome).values())


def test_a_missed_floor_keeps_the_last_good_step(run: Callable[..., Outcome]) -> None:
    ruin = {"kind": "prune", "sparsity": 0.98, "epochs": 0, "max_drop": 0.01}
    outcome = run({**CLUSTER, "max_drop": 0.5}, ruin)
    # A mask on clustered layers is refused layer by layer, so the ruin is done to the original in a recipe of its own.
    assert outcome.missed is None
    outcome = run({"kind": "finetune", "epochs": 1, "learning_rate": 1e-4, "max_drop": 0.5}, ruin)
    assert outcome.missed is not None and outcome.missed.index == 2 and outcome.log.status == "floor"
    assert outcome.log.int8_metric > 0.9 and len(outcome.log.steps) == 2


def test_the_same_recipe_gives_the_same_bytes(run: Callable[..., Outcome], tmp_path: Path) -> None:
    steps = (PRUNE, CLUSTER, QAT)
    first = run(*steps)
    second = run(*steps, cache=tmp_path, resume=False)
    assert first.state.tflite == second.state.tflite
    assert save_keras(first.state.model) == save_keras(second.state.model)


def test_resume_takes_finished_steps_from_the_cache(run: Callable[..., Outcome], tmp_path: Path) -> None:
    """Interrupted in the second step, a run goes on there, to the same bytes as one without interruption."""
    lines: list[str] = []

    class Interrupting(list[str]):
        def append(self, text: str) -> None:
            if text.startswith("step 2 of 3 (cluster): epoch 1"):
                raise KeyboardInterrupt
            super().append(text)

    with pytest.raises(KeyboardInterrupt):
        run(PRUNE, CLUSTER, cache=tmp_path, lines=Interrupting())
    resumed = run(PRUNE, CLUSTER, cache=tmp_path, lines=lines)
    assert "step 1 of 3 (prune): done before, taken from the cache" in lines
    assert not any(line.startswith("step 2") and "done before" in line for line in lines)
    assert resumed.state.tflite == run(PRUNE, CLUSTER).state.tflite


def test_what_the_data_cannot_give(run: Callable[..., Outcome]) -> None:
    with pytest.raises(OptionError, match="needs labels"):
        run({"kind": "ptq"}, data=Dataset(digits().inputs, None, "x"), metric="macro_f1")
    with pytest.raises(OptionError, match="matches no layer"):
        run({**PRUNE, "layers": ["thrid"]})
