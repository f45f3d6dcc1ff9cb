"""Mixed precision: the sensitivity table decides how many values each layer gets, and images follow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.digits import digits, digits_model
from support.model_builder import ModelBuilder
from support.shared import model_file

from tinygen.compress.allocation import bits_of
from tinygen.compress.converted import read_int8
from tinygen.compress.engine import Outcome, run_on_int8, run_recipe
from tinygen.compress.recipe import parse_recipe
from tinygen.compress.running import oracle_scores
from tinygen.compress.sensitivity import unsquashed
from tinygen.errors import OptionError
from tinygen.forms import Mode, Target, choose
from tinygen.load.dataset import Dataset
from tinygen.load.tflite import read_graph
from tinygen.lower import lower
from tinygen.optimize import optimize
from tinygen.plan import without_copies

DIGITS = Path(__file__).resolve().parents[1] / "models" / "digits_int8.tflite"
TABLE = {"kind": "sensitivity", "values": [255, 16, 8, 4, 2], "sparsity": [], "samples": 100}
Run = Callable[..., Outcome]


def on_keras(cache: Path, *steps: dict[str, Any]) -> Outcome:
    recipe = parse_recipe({"name": "mixed", "step": list(steps)}, "mixed")
    options: dict[str, Any] = {"source": "digits", "hashes": ("m", "d"), "cache": cache, "resume": True}
    return run_recipe(digits_model(), digits(), recipe, say=lambda text: None, **options)


def on_tflite(cache: Path, *steps: dict[str, Any], path: Path = DIGITS, data: Dataset | None = None) -> Outcome:
    recipe = parse_recipe({"name": "mixed", "step": list(steps)}, "mixed")
    model = read_int8(path, recipe, measured=data is not None)
    fitted = None if data is None else model.fitted(data)
    options: dict[str, Any] = {"hashes": (str(path), "d"), "cache": cache, "resume": True}
    return run_on_int8(model, fitted, recipe, say=lambda text: None, **options)


def on_digits_tflite(cache: Path, *steps: dict[str, Any]) -> Outcome:
    return on_tflite(cache, *steps, data=digits())


@pytest.mark.parametrize("bits", [2.0, 3.0])
@pytest.mark.parametrize(
    ("run", "step"),
    [
        pytest.param(on_digits_tflite, {"kind": "round_cluster"}, id="tflite"),
        pytest.param(
            on_keras, {"kind": "cluster", "epochs": 2, "learning_rate": 1e-3}, id="trained", marks=pytest.mark.slow
        ),
        pytest.param(on_keras, {"kind": "round_cluster"}, id="rounded", marks=pytest.mark.slow),
    ],
)
def test_weights_keep_to_the_budget_and_layers_to_their_values(
    run: Run, step: dict[str, Any], bits: float, tmp_path: Path
) -> None:
    outcome = run(tmp_path, TABLE, {**step, "bits": bits})
    record = next(record for record in outcome.log.steps if record.kind == step["kind"])
    allocation = record.details["allocation"]
    facts = {fact["layer"]: fact for fact in outcome.log.steps[-1].tensors}
    assert all(facts[layer]["values"] <= values for layer, values in allocation["values"].items())
    total = sum(fact["weights"] for fact in facts.values())
    stored = sum(fact["weights"] * bits_of(fact["values"]) for fact in facts.values()) / total
    assert stored <= allocation["bits"] + 5e-5 <= bits + 5e-5 and allocation["bits"] > bits - 1
    assert len(set(allocation["values"].values())) > 1  # layers differ in what they bear
    assert any("bits a weight on average" in note for note in record.notes)


def test_the_table_of_an_int8_file(tmp_path: Path) -> None:
    outcome = on_digits_tflite(tmp_path, TABLE, {"kind": "ptq"})
    assert outcome.state.tflite == DIGITS.read_bytes()
    rows = outcome.log.steps[0].details["sensitivity"]
    change = {(row["layer"], row["values"]): row["output_change"] for row in rows}
    layers = dict.fromkeys(row["layer"] for row in rows)
    assert sum(change[layer, 2] for layer in layers) > sum(change[layer, 16] for layer in layers) > 0
    assert all(change[layer, 255] <= change[layer, 2] for layer in layers)


def test_scores_are_what_a_softmax_reads() -> None:
    outputs, scores = oracle_scores(DIGITS.read_bytes(), digits().inputs[0][:20])
    exponents = np.exp(scores.reshape(20, -1))
    assert np.abs(exponents / exponents.sum(axis=1, keepdims=True) - outputs.reshape(20, -1)).max() < 0.02
    assert np.abs(scores).max() > 1


def test_scores_of_a_model_without_softmax_are_its_outputs() -> None:
    b = ModelBuilder()
    x = b.input((1, 8), scale=0.1)
    weights = b.constant(np.arange(-32, 32, dtype=np.int8).reshape(8, 8), scales=0.02)
    y = b.op("FULLY_CONNECTED", [x, weights, None], shape=(1, 8), scale=0.1, zero_point=5)
    b.output(b.op("RESHAPE", [y], shape=(1, 2, 4), scale=0.1, zero_point=5))
    outputs, scores = oracle_scores(b.build(), np.random.default_rng(1).normal(size=(6, 8)).astype(np.float32))
    assert np.allclose(np.diff(scores, axis=0), np.diff(outputs, axis=0).reshape(scores[1:].shape), atol=1e-5)


@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
def test_probabilities_are_unsquashed(kind: str) -> None:
    logits = np.random.default_rng(2).normal(0, 3, (5, 4)).astype(np.float32)
    if kind == "softmax":
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        logits -= logits.mean(axis=1, keepdims=True)
    else:
        probabilities = 1 / (1 + np.exp(-logits))
    assert np.allclose(unsquashed(probabilities, kind), logits, atol=1e-3)
    assert np.isfinite(unsquashed(np.eye(4, dtype=np.float32), kind)).all()


def test_a_pinned_layer_and_a_budget_that_nothing_meets(tmp_path: Path) -> None:
    pinned = {"kind": "round_cluster", "bits": 3.0, "per_layer": {"kind:dense": 4}}
    outcome = on_digits_tflite(tmp_path, TABLE, pinned)
    dense = [fact["layer"] for fact in outcome.log.steps[-1].tensors if fact["kind"] == "dense"]
    assert dense and all(outcome.log.steps[-1].details["allocation"]["values"][layer] == 4 for layer in dense)
    with pytest.raises(OptionError, match="the fewest values that the sensitivity step tried take 2"):
        on_digits_tflite(tmp_path, {**TABLE, "values": [16, 4]}, {"kind": "round_cluster", "bits": 1.9})


def test_a_layer_that_was_not_measured_is_named(tmp_path: Path) -> None:
    outcome = on_digits_tflite(tmp_path, {**TABLE, "skip": ["kind:dense"]}, {"kind": "round_cluster", "bits": 4.0})
    record = outcome.log.steps[-1]
    assert any("did not measure it, 16 values" in line for line in record.left_alone)
    assert all(fact["values"] <= 16 for fact in record.tensors if fact["kind"] == "dense")


def test_each_layer_of_an_image_has_the_form_of_its_values(tmp_path: Path) -> None:
    """A step's ``per_layer`` may say anything: 16, 8, 4 and 2 values in four layers of the same shape."""
    values = {"operator_2": 16, "operator_4": 8, "operator_6": 4, "operator_8": 2}
    step = {"kind": "round_cluster", "per_layer": values}
    outcome = on_tflite(tmp_path, step, path=model_file("kws"))
    assert outcome.state.tflite is not None
    graph, _ = optimize(read_graph(outcome.state.tflite, source="kws", name="kws"))
    program = without_copies(lower(graph, source="kws"))
    choice = choose(program, Target(dsp=True), Mode.SIZE)
    pointwise = [op for op in graph.ops if op.kind == "CONV_2D" and graph.tensors[op.inputs[1]].shape[1:3] == (1, 1)]
    forms = [choice.forms[op.index].split("+") for op in pointwise]
    assert [next(part for part in form if part.startswith("lut")) for form in forms] == ["lut4", "lut3", "lut2", "lut1"]
