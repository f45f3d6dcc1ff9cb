"""The numpy parts of compression: k-means, masks, clusters, metrics, factors, splits. No TensorFlow."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tinygen.compress import metrics
from tinygen.compress.allocation import Demand, allocate, bits_of
from tinygen.compress.constraints import Mask, fit_clusters, pattern_mask, smallest_mask
from tinygen.compress.kernels import Kernel, columns, from_columns, override, select
from tinygen.compress.kmeans import best_centers
from tinygen.compress.log import CompressionLog, StepRecord
from tinygen.compress.sensitivity import suggest
from tinygen.compress.steps.dynamic import moved_mask
from tinygen.compress.steps.factorizing import chosen_rank, factors
from tinygen.compress.steps.reconstructing import ridge
from tinygen.compress.task import Task, split_samples
from tinygen.errors import OptionError

RNG = np.random.default_rng(5)
SHAPES = {"conv": (3, 2, 4, 5), "dense": (12, 6), "depthwise": (3, 3, 4, 2), "transposed": (3, 3, 5, 4)}


def test_best_centers_are_the_best_of_all_partitions() -> None:
    for _ in range(20):
        values = np.sort(RNG.choice(60, 8, replace=False)).astype(float)
        weights = RNG.integers(1, 9, 8).astype(float)
        for count in (1, 2, 3, 4):
            centers = best_centers(values, weights, count)
            cost = (weights * np.min((values[:, None] - centers) ** 2, axis=1)).sum()
            best = min(
                sum(_spread(values[a:b], weights[a:b]) for a, b in itertools.pairwise([0, *cuts, 8]))
                for cuts in itertools.combinations(range(1, 8), count - 1)
            )
            assert cost == pytest.approx(best) and len(centers) == count


def _spread(values: np.ndarray, weights: np.ndarray) -> float:
    mean = np.average(values, weights=weights)
    return float((weights * (values - mean) ** 2).sum())


@pytest.mark.parametrize("kind", SHAPES)
def test_columns_are_output_channels(kind: str) -> None:
    weights = RNG.normal(size=SHAPES[kind])
    matrix = columns(weights, kind)
    assert matrix.shape[1] == {"conv": 5, "dense": 6, "depthwise": 8, "transposed": 5}[kind]
    assert np.array_equal(from_columns(matrix, kind, weights.shape), weights)


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("zeros", [False, True])
def test_clusters_leave_few_codes_and_keep_zeros(kind: str, per_channel: bool, zeros: bool) -> None:
    weights = RNG.normal(size=SHAPES[kind]) * RNG.uniform(0.1, 3, SHAPES[kind][-1])
    keep = RNG.random(weights.shape) > 0.5 if zeros else None
    weights = weights if keep is None else weights * keep
    clusters = fit_clusters(weights, kind, 4, per_channel=per_channel, keep=keep)
    used = clusters.project(weights)
    codes = clusters.int8_codes(weights)
    assert np.allclose(columns(used, kind), codes * clusters.scales)
    if per_channel:
        assert all(len(np.unique(column)) <= 4 for column in codes.T)
    else:
        assert len(np.unique(codes)) <= 4
    if keep is not None:
        assert not used[~keep].any()
    assert np.allclose(clusters.project(used), used)  # what obeys stays
    assert (len(set(clusters.scales.tolist())) == 1) == (kind == "dense")


def test_more_values_come_closer() -> None:
    weights = RNG.normal(size=(3, 3, 8, 16))
    errors = [float(np.mean((fit_clusters(weights, "conv", k).project(weights) - weights) ** 2)) for k in (2, 4, 8, 16)]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 0.02 * float(np.mean(weights**2))


def test_a_channel_without_weights() -> None:
    weights = RNG.normal(size=(2, 2, 3, 4))
    weights[..., 2] = 0
    assert np.isfinite(fit_clusters(weights, "conv", 4).project(weights)).all()


def test_smallest_mask_takes_exactly_its_share() -> None:
    weights = RNG.normal(size=(10, 10))
    mask = smallest_mask(weights, 0.37)
    assert (~mask.keep).sum() == 37
    assert np.abs(weights[mask.keep]).min() >= np.abs(weights[~mask.keep]).max()


@pytest.mark.parametrize(("kind", "shape"), [("conv", (3, 3, 8, 5)), ("dense", (8, 3)), ("transposed", (2, 2, 5, 4))])
def test_patterns_keep_two_of_four_along_the_input(kind: str, shape: tuple[int, ...]) -> None:
    mask = pattern_mask(RNG.normal(size=shape), kind, "2:4")
    assert mask is not None
    blocks = columns(mask.keep, kind).T.reshape(-1, 4)
    assert (blocks.sum(axis=1) == 2).all()


def test_patterns_that_do_not_fit() -> None:
    assert pattern_mask(np.ones((3, 3, 1, 8)), "conv", "2:4") is None
    assert pattern_mask(np.ones((3, 3, 8, 1)), "depthwise", "2:4") is None


def test_rigl_moves_the_mask_and_keeps_its_size() -> None:
    weights, gradients = RNG.normal(size=(2, 10, 10))
    mask = smallest_mask(weights, 0.5)
    moved = moved_mask(mask.project(weights), mask, gradients, 0.2)
    assert moved.keep.sum() == mask.keep.sum() and (moved.keep & ~mask.keep).sum() == 10
    grown = np.abs(gradients[moved.keep & ~mask.keep])
    assert grown.min() >= np.abs(gradients[~moved.keep & ~mask.keep]).max()


def test_factors_are_the_best_of_their_rank() -> None:
    weights = RNG.normal(size=(20, 3)) @ RNG.normal(size=(3, 16))
    exact = factors(weights, 3)
    assert np.allclose(exact.first @ exact.second, weights, atol=1e-4) and exact.energy == pytest.approx(1)
    singular = np.array([3.0, 2.0, 1.0])
    assert chosen_rank(singular, (20, 16), 0.9, 0.0) == 2
    assert chosen_rank(singular, (20, 16), 1.0, 0.0) == 3
    assert chosen_rank(singular, (20, 16), 1.0, 0.15) == 1


def test_ridge_finds_what_made_the_targets() -> None:
    inputs, weights = RNG.normal(size=(500, 6)), RNG.normal(size=(6, 3))
    found, offset = ridge(inputs, inputs @ weights + 2.0, np.zeros((6, 3)), bias=True)
    assert np.allclose(found, weights, atol=1e-2) and np.allclose(offset, 2.0, atol=1e-2)


def test_metrics() -> None:
    labels = np.array([0, 1, 2, 1])
    scores = np.eye(3)[[0, 1, 1, 1]]
    assert metrics.accuracy(scores, labels) == 0.75
    assert metrics.macro_f1(scores, labels) == pytest.approx((1 + 0.8 + 0) / 3)
    assert metrics.agreement(scores, scores) == 1
    assert metrics.auc(np.array([[0.1], [0.4], [0.35], [0.8]]), np.array([0, 0, 1, 1])) == 0.75
    assert metrics.auc(np.array([[0.5], [0.5]]), np.array([0, 1])) == 0.5
    assert metrics.mse(np.array([[1.0, 3.0]]), np.array([[1.0, 1.0]])) == 2
    assert metrics.drop("accuracy", 0.9, 0.8) == pytest.approx(0.1)
    assert metrics.drop("mse", 2.0, 2.1) == pytest.approx(0.05)


def test_metrics_agree_with_scikit_learn() -> None:
    reference = pytest.importorskip("sklearn.metrics")
    labels, scores = RNG.integers(0, 4, 300), RNG.dirichlet(np.ones(4), 300)
    predicted = scores.argmax(axis=1)
    assert metrics.macro_f1(scores, labels) == pytest.approx(reference.f1_score(labels, predicted, average="macro"))
    assert metrics.auc(scores, labels) == pytest.approx(reference.roc_auc_score(labels, scores, multi_class="ovr"))


def test_splits_are_stratified_disjoint_and_repeatable() -> None:
    labels = np.repeat(np.arange(4), 50)
    task = Task(np.zeros((200, 2), np.float32), "softmax", labels, None, "accuracy", np.zeros((200, 4), np.float32))
    split = split_samples(task, 0.3, 0.2, seed=1)
    parts = [split.train, split.selection, split.validation]
    assert sorted(np.concatenate(parts).tolist()) == list(range(200))
    assert (np.bincount(labels[split.validation]) == 15).all() and (np.bincount(labels[split.selection]) == 7).all()
    again, other = split_samples(task, 0.3, 0.2, seed=1), split_samples(task, 0.3, 0.2, seed=2)
    assert np.array_equal(split.validation, again.validation) and not np.array_equal(split.train, other.train)


def test_layers_are_chosen_by_name_glob_and_kind() -> None:
    found = [Kernel("conv_a", "kernel", "conv", (1,)), Kernel("mix", "kernel", "pointwise", (1,))]
    found.append(Kernel("out", "kernel", "dense", (1,)))
    assert [k.layer for k in select(found, (), ("kind:dense",), "prune")] == ["conv_a", "mix"]
    assert [k.layer for k in select(found, ("conv*", "out"), (), "prune")] == ["conv_a", "out"]
    assert override(found[0], {"conv*": 8, "kind:dense": 4}, 16) == 8 and override(found[1], {"conv*": 8}, 16) == 16
    with pytest.raises(OptionError, match='layers: "covn" matches no layer'):
        select(found, ("covn",), (), "prune")


def test_suggestions_give_easy_layers_fewer_values() -> None:
    changes = {"easy": (1, 1.5, 50), "hard": (40, 90, 99), "plain": (1, 30, 60)}
    rows = [
        {"layer": layer, "form": f"{values} values", "output_change": change}
        for layer, row in changes.items()
        for values, change in zip((16, 8, 4), row, strict=True)
    ]
    rows += [{"layer": layer, "form": "255 values", "output_change": 0.0} for layer in changes]
    assert suggest(rows, [255, 16, 8, 4]) == suggest(rows, [16, 8, 4])
    assert suggest(rows, [16, 8, 4]) == {"easy": 8, "hard": 16, "plain": 16}


@pytest.mark.parametrize("seed", range(20))
def test_allocation_is_the_best_of_all_within_the_budget(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ladder = (2, 4, 8, 16, 255)
    changes = np.sort(rng.exponential(size=(4, 5)))[:, ::-1]
    demands = [
        Demand(f"layer{i}", int(rng.integers(50, 5000)), dict(zip(ladder, row.tolist(), strict=True)))
        for i, row in enumerate(changes)
    ]

    def bits(values: tuple[int, ...]) -> int:
        return sum(d.weights * bits_of(v) for d, v in zip(demands, values, strict=True))

    def change(values: tuple[int, ...]) -> float:
        return sum(d.changes[v] for d, v in zip(demands, values, strict=True))

    budget = int(rng.uniform(1, 8) * sum(d.weights for d in demands))
    best = min(change(values) for values in itertools.product(ladder, repeat=4) if bits(values) <= budget)
    found = allocate(demands, budget)
    assert found is not None
    chosen = tuple(found[d.layer] for d in demands)
    assert bits(chosen) <= budget and change(chosen) == pytest.approx(best, rel=1e-3)
    assert allocate(demands, sum(d.least_bits for d in demands) - 1) is None


def test_bits_as_firmware_stores_them() -> None:
    assert [bits_of(values) for values in (2, 3, 4, 5, 8, 9, 16, 17, 255)] == [1, 2, 2, 3, 3, 4, 4, 8, 8]


def test_a_log_survives_json() -> None:
    record = StepRecord(1, "prune", "float", 0.9, 0.8, 0.1, 0.05, 1.0, {"a": "half"}, ("b",), ("c",), {}, ({"x": 1},))
    log = CompressionLog({"name": "r"}, "m", "d", "accuracy", {"float": 0.9, "int8": 0.9}, 0.8, 0.8, {}, (record,))
    assert record.missed and CompressionLog.from_dict(log.to_dict()) == log
    assert Mask(np.array([True, False])).text == "50% zeros"
