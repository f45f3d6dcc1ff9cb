"""Recipes: what they may say, and how all mistakes of a file are named at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinygen.compress import find_recipe, shipped_recipes
from tinygen.compress.engine import with_conversion
from tinygen.compress.recipe import parse_recipe, read_recipe
from tinygen.compress.settings import STEPS, Cluster, Prune
from tinygen.errors import OptionError

HEAD = "seed = 3\nvalidation = 0.4\nmax_drop = 0.02\n"


def test_a_recipe_is_read_in_order_with_defaults() -> None:
    text = HEAD + '[[step]]\nkind = "prune"\nsparsity = 0.6\nmax_drop = 0.05\n[[step]]\nkind = "cluster"\n'
    recipe = read_recipe(text, Path("mine.toml"))
    assert recipe.name == "mine" and recipe.seed == 3
    prune, cluster = recipe.steps
    assert isinstance(prune, Prune) and prune.sparsity == 0.6 and prune.epochs == 5
    assert isinstance(cluster, Cluster) and cluster.values == 16
    assert recipe.floor(prune) == 0.05 and recipe.floor(cluster) == 0.02


def test_all_mistakes_are_named_with_their_keys() -> None:
    text = """
    valdation = 0.3
    seed = "one"
    metric = "luck"
    [[step]]
    kind = "prune"
    sparsity = 1.5
    pattern = "4:2"
    epoch = 3
    per_layer = { conv = "half" }
    [[step]]
    kind = "squeeze"
    [[step]]
    kind = "qat"
    learning_rate = true
    """
    with pytest.raises(OptionError) as caught:
        read_recipe(text, Path("bad.toml"))
    lines = "\n".join(caught.value.details)
    for expected in (
        'valdation: no such key; did you mean "validation"?',
        "seed: 'one' is not a whole number",
        "metric: 'luck' is none of",
        "step 1 (prune): sparsity: 1.5 is outside [0, 1)",
        'step 1 (prune): pattern: "4:2" is no pattern',
        'step 1 (prune): epoch: no such key; did you mean "epochs"?',
        "step 1 (prune): per_layer.conv: 'half' is not a number",
        "step 2: kind: 'squeeze' is none of",
        "step 3 (qat): learning_rate: True is not a number",
    ):
        assert expected in lines, lines
    assert len(caught.value.details) == 9 and caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("kinds", "late"),
    [
        (["qat", "prune"], "step 2 (prune)"),
        (["round_cluster", "finetune"], "step 2 (finetune)"),
        (["ptq", "cluster"], "step 2 (cluster)"),
        (["qat", "qat"], "step 2 (qat)"),
        (["ptq", "ptq"], "step 2 (ptq)"),
    ],
)
def test_steps_that_come_too_late(kinds: list[str], late: str) -> None:
    with pytest.raises(OptionError) as caught:
        parse_recipe({"name": "r", "step": [{"kind": kind} for kind in kinds]}, "r")
    assert f"{late}: comes too late" in caught.value.details[0]


def test_a_budget_of_bits_needs_a_table_to_spend_it_by() -> None:
    cluster = {"kind": "cluster", "bits": 3.0}
    for steps in ([cluster], [cluster, {"kind": "sensitivity"}], [{"kind": "sensitivity", "values": []}, cluster]):
        with pytest.raises(OptionError) as caught:
            parse_recipe({"name": "r", "step": steps}, "r")
        assert "(cluster): bits: needs a sensitivity step with values before it" in caught.value.details[0]
    assert parse_recipe({"name": "r", "step": [{"kind": "sensitivity"}, cluster]}, "r").steps


def test_order_that_is_fine() -> None:
    kinds = ["finetune", "sensitivity", "prune", "cluster", "qat", "finetune", "ptq", "round_cluster", "sensitivity"]
    recipe = parse_recipe({"name": "r", "step": [{"kind": kind} for kind in kinds]}, "r")
    assert [step.kind for step in recipe.steps] == kinds


def test_conversion_is_added_where_it_is_needed() -> None:
    recipe = parse_recipe({"name": "r", "step": [{"kind": "prune"}, {"kind": "round_cluster"}]}, "r")
    assert [step.kind for step in with_conversion(recipe.steps)] == ["prune", "ptq", "round_cluster"]
    recipe = parse_recipe({"name": "r", "step": [{"kind": "prune"}]}, "r")
    assert [step.kind for step in with_conversion(recipe.steps)] == ["prune", "ptq"]


def test_empty_missing_and_broken_recipes(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no such file") as caught:
        find_recipe("nonsense")
    assert "ptq" in caught.value.hint
    with pytest.raises(OptionError) as empty:
        read_recipe("seed = 1\n", tmp_path / "r.toml")
    assert "at least one" in empty.value.details[0]
    with pytest.raises(OptionError, match="not TOML"):
        read_recipe("seed = ", tmp_path / "r.toml")


def test_a_recipe_survives_the_way_to_the_child_and_back() -> None:
    for name in shipped_recipes():
        recipe = find_recipe(name)
        assert parse_recipe(recipe.to_dict(), name) == recipe and recipe.about


def test_shipped_recipes_cover_the_combinations() -> None:
    combinations = {"ptq", "qat", "prune", "cluster", "prune-cluster", "prune-qat", "cluster-qat", "prune-cluster-qat"}
    assert combinations <= set(shipped_recipes())


def test_hash_depends_on_what_matters() -> None:
    def hashed(**changes: object) -> str:
        data = {"name": "r", "step": [{"kind": "prune", **changes}]}
        recipe = parse_recipe(data, "r")
        return recipe.prefix_hash(recipe.steps)

    assert hashed() == hashed(max_drop=0.1) != hashed(sparsity=0.7)


def test_every_step_says_what_it_is() -> None:
    assert all(cls.__doc__ and not cls.__doc__.startswith(cls.__name__ + "(") for cls in STEPS.values())
