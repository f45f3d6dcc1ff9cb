"""Data sets: reading, refusing, fitting to a model's inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygen.errors import DataError
from tinygen.load.dataset import Dataset, fit, load_dataset


def save(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def dataset(*shapes: tuple[int, ...]) -> Dataset:
    return Dataset(tuple(np.arange(np.prod(s), dtype=np.float32).reshape(s) for s in shapes), None, "d.npz")


def test_npz_with_labels(tmp_path: Path) -> None:
    data = load_dataset(save(tmp_path / "d.npz", x=np.ones((5, 3)), y=np.arange(5), other=np.array(["text"] * 9)))
    assert len(data) == 5 and data.inputs[0].dtype == np.float32
    assert data.labels is not None and data.labels.tolist() == [0, 1, 2, 3, 4]


def test_npy_several_inputs_and_integer_samples(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", np.zeros((4, 2), np.int8))
    assert load_dataset(tmp_path / "d.npy").inputs[0].dtype == np.int8
    arrays = {f"x_{i}": np.full((3, 1), i) for i in range(11)}
    data = load_dataset(save(tmp_path / "d.npz", **arrays, x_int8=np.zeros(7)))
    assert [int(x[0, 0]) for x in data.inputs] == list(range(11))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": np.ones(3)}, "no array named x .it holds images"),
        ({"y": np.ones(3)}, "no array named x"),
        ({"x": np.ones((0, 4))}, "no samples"),
        ({"x": np.float32(1)}, "no samples"),
        ({"x": np.ones(3), "y": np.ones(2)}, "unequal numbers of samples: x 3, y 2"),
        ({"x_0": np.ones(3), "x_1": np.ones(2)}, "unequal numbers of samples: x_0 3, x_1 2"),
        ({"x_1": np.ones(3)}, "not numbered from x_0"),
        ({"x": np.array([[1.0, np.nan], [np.inf, 2.0]])}, "2 of the 4 values of x are NaN"),
        ({"x": np.array([1e300])}, "1 of the 1 values of x"),
        ({"x": np.ones(2), "y": np.array([1.0, np.nan])}, "values of y are NaN"),
        ({"x": np.array(["a", "b"])}, "not numbers"),
        ({"x": np.ones(2, complex)}, "not numbers"),
        ({"x": np.array([{}, None], object)}, "does not unpickle"),
    ],
)
def test_bad_arrays(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(save(tmp_path / "d.npz", **arrays))
    assert caught.value.hint and caught.value.exit_code == 2


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"text", b"\x93NUMPY\x01\x00", b"\x80\x04K\x01."])
def test_bad_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "d.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"d\.npz"):
        load_dataset(path)
    with pytest.raises(DataError, match="no such file"):
        load_dataset(tmp_path / "none.npz")


def test_too_large_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "d.npz"
    np.savez_compressed(path, x=np.zeros((1000, 100)))
    monkeypatch.setattr("tinygen.load.dataset.MAX_BYTES", 100_000)
    with pytest.raises(DataError, match="more than the 100,000"):
        load_dataset(path)


@pytest.mark.parametrize(
    ("have", "want", "fitted"),
    [
        ((5, 49, 10, 1), (49, 10, 1), (49, 10, 1)),
        ((5, 49, 10), (49, 10, 1), (49, 10, 1)),
        ((5, 49, 10, 1), (49, 10), (49, 10)),
        ((5, 1, 49, 10), (49, 10, 1), (49, 10, 1)),
        ((5,), (1,), (1,)),
        ((5, 6, 7, 3), (None, None, 3), (6, 7, 3)),
        ((5, 6, 7), (None, None, 1), (6, 7, 1)),
    ],
)
def test_fitting(have: tuple[int, ...], want: tuple[int | None, ...], fitted: tuple[int, ...]) -> None:
    data = dataset(have)
    result = fit(data, [want], "m")
    assert result.inputs[0].shape == (5, *fitted)
    assert (result.inputs[0].ravel() == data.inputs[0].ravel()).all()


@pytest.mark.parametrize(
    ("have", "want"), [((5, 10, 49), (49, 10, 1)), ((5, 490), (49, 10)), ((5, 6, 7, 1), (None, None, 3))]
)
def test_other_shapes_are_refused_naming_both(have: tuple[int, ...], want: tuple[int | None, ...]) -> None:
    with pytest.raises(DataError) as caught:
        fit(dataset(have), [want], "m.keras")
    for shape in (have[1:], want):
        assert "[" + ",".join("?" if d is None else str(d) for d in shape) + "]" in caught.value.message


def test_number_of_inputs() -> None:
    with pytest.raises(DataError, match="1 input arrays, but m has 2 inputs"):
        fit(dataset((5, 2)), [(2,), (3,)], "m")
    with pytest.raises(DataError, match="x_1 holds"):
        fit(dataset((5, 2), (5, 4)), [(2,), (3,)], "m")


@pytest.mark.parametrize(
    ("y", "labels"),
    [
        (np.array([[0, 1, 0], [0, 0, 1]]), [1, 2]),
        (np.array([[2], [0]]), [2, 0]),
        (np.array([1.0, 3.0]), [1, 3]),
        (np.array([0.5, 1.0]), None),
        (np.array([-1, 1]), None),
        (np.array([[0.2, 0.8], [1.0, 0.0]]), None),
    ],
)
def test_labels(y: Any, labels: list[int] | None) -> None:
    found = Dataset((np.zeros((2, 1)),), y, "d").labels
    assert (found if found is None else found.tolist()) == labels


def test_spread_reaches_both_ends() -> None:
    data = dataset((1000, 1)).spread(11)
    assert len(data) == 11 and data.inputs[0][0, 0] == 0 and data.inputs[0][-1, 0] == 999
    assert dataset((3, 1)).spread(11).inputs[0].shape == (3, 1)
