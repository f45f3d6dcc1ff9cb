"""What outputs are worth: classifiers, autoencoders, data without labels."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tinygen.ir import DType, ModelInterface, Port, Quantization
from tinygen.load.dataset import Dataset
from tinygen.load.vectors import choose_vectors
from tinygen.pipeline.judging import NOT_JUDGED, Judgement, agreement, judge

SCALE = 1 / 16


def port(shape: tuple[int, ...]) -> Port:
    return Port(0, 0, "port", DType.INT8, shape, int(np.prod(shape)), Quantization((SCALE,), (-8,)))


def stored(real: np.ndarray) -> np.ndarray:
    return np.clip(np.round(real / SCALE) - 8, -128, 127).astype(np.int8)


@dataclass
class Case:
    """A model with one input and output; ``board`` says what it answers in real numbers."""

    x: np.ndarray
    board: np.ndarray
    y: np.ndarray | None = None
    real: np.ndarray | None = None
    count: int | None = None
    original: np.ndarray | None = None

    def judge(self, positions: list[int] | None = None) -> Judgement:
        sides = [port((1, *array.shape[1:])) for array in (self.x, self.board)]
        interface = ModelInterface("m", (sides[0],), (sides[1],))
        dataset = Dataset((self.x.astype(np.float32),), self.y, "d.npz")
        vectors = choose_vectors(interface, dataset, self.count)
        answers = [stored(self.board[i : i + 1]) for i in vectors.samples]
        verified: Any = SimpleNamespace(
            expected=[(answer,) for answer in answers],
            run=SimpleNamespace(vectors=[SimpleNamespace(outputs=[answer.tobytes()]) for answer in answers]),
        )
        real, original = (None if side is None else (side,) for side in (self.real, self.original))
        return judge(interface, vectors, verified, dataset, real, positions, original)


CLASSES = np.array([[4, 1, 0], [0, 4, 1], [1, 0, 4], [4, 0, 1]], np.float32)
X = np.zeros((4, 2, 2), np.float32)


def test_agreement_with_the_model_before_compression() -> None:
    original = np.eye(3, dtype=np.float32)[[0, 1, 2, 1]]
    assert Case(X, CLASSES).judge().metrics["agreement"]["board"] == 1.0
    judged = Case(X, CLASSES, original=original).judge()
    assert judged.metrics["agreement"] == {"float": None, "int8": 0.75, "board": 0.75}


def test_classifier() -> None:
    judged = Case(X, CLASSES, y=np.array([0, 1, 2, 1]), real=np.eye(3, dtype=np.float32)[[0, 1, 2, 1]]).judge()
    assert judged.metric == "accuracy"
    assert judged.metrics["accuracy"] == {"float": 1.0, "int8": 0.75, "board": 0.75}
    assert judged.metrics["f1"]["board"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert 0.5 < judged.metrics["auc"]["board"] < 1  # type: ignore[operator]
    assert (judged.accuracy.float, judged.accuracy.board) == (1.0, 0.75)


def test_only_the_vectors_that_ran_count() -> None:
    judged = Case(X, CLASSES, y=np.array([0, 1, 2, 1]), count=2).judge(positions=[7, 8, 9, 10])
    assert judged.samples == (7, 9)
    assert judged.metrics["accuracy"] == {"float": None, "int8": 1.0, "board": 1.0}


def test_autoencoder_against_the_real_inputs() -> None:
    x = np.array([[0.5, 1.0, 0.03], [0.25, 0.0, 0.0]], np.float32)
    judged = Case(x, np.round(x / SCALE) * SCALE, real=x + 1).judge()
    assert judged.metric == "mse"
    assert judged.metrics["mse"]["board"] == pytest.approx(0.03**2 / 6, rel=1e-3)
    assert judged.metrics["mse"]["float"] == pytest.approx(1)
    assert judged.choices is None and judged.accuracy.board is None


def test_anomaly_detector_with_labels_is_measured_by_its_error() -> None:
    x = np.zeros((4, 6), np.float32)
    out = x + np.array([0, 1, 0, 2])[:, None]
    judged = Case(x, out, y=np.array([0, 1, 0, 1])).judge()
    assert (judged.metric, judged.metrics["auc"]["board"]) == ("auc", 1.0)
    assert judged.metrics["mse"]["board"] == pytest.approx(5 / 4)


def test_without_labels_the_float_model_is_what_is_right() -> None:
    judged = Case(X, CLASSES, real=np.eye(3, dtype=np.float32)[[0, 1, 2, 2]]).judge()
    assert judged.metric == "agreement"
    assert judged.metrics["agreement"] == {"float": 1.0, "int8": 0.75, "board": 0.75}


def test_single_logit_decides_by_its_sign() -> None:
    judged = Case(X, np.array([[0.25], [-2], [3], [-0.5]], np.float32), y=np.array([1, 0, 1, 0])).judge()
    assert judged.metrics["accuracy"]["board"] == 1.0
    assert judged.choices is not None and judged.choices.tolist() == [1, 0, 1, 0]


def test_labels_of_another_model_measure_nothing() -> None:
    assert Case(X, CLASSES, y=np.array([0, 1, 2, 9])).judge() is NOT_JUDGED


def test_agreement_on_the_samples_that_both_saw() -> None:
    one = Case(X, CLASSES, y=np.array([0, 1, 2, 1])).judge()
    other = Case(X[:3], CLASSES[[1, 2, 0]], y=np.array([1, 2, 0])).judge(positions=[1, 2, 3])
    assert agreement(one, other) == 1.0
    assert agreement(one, NOT_JUDGED) is None
    assert agreement(one, Case(X[:1], CLASSES[:1], y=np.array([0])).judge(positions=[99])) is None
