"""What a file is, told by its content."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tinygen.errors import ModelError
from tinygen.load import SourceKind, check_archive, detect

HDF5 = b"\x89HDF\r\n\x1a\n" + bytes(100)


def keras_zip(path: Path, version: str = "3.15.1", **members: bytes | str) -> Path:
    """A .keras archive's outside, with a configuration of no layers."""
    content = {"metadata.json": json.dumps({"keras_version": version}), "config.json": "{}"} | members
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def test_kinds_are_told_by_content_not_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.keras").write_bytes(b"\x1c\0\0\0TFL3" + bytes(32))
    (tmp_path / "b.tflite").write_bytes(HDF5)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "saved_model.pb").write_bytes(b"x")
    assert detect(tmp_path / "a.keras") is SourceKind.TFLITE
    assert detect(tmp_path / "b.tflite") is SourceKind.HDF5
    assert detect(tmp_path / "folder") is SourceKind.SAVED_MODEL
    assert detect(keras_zip(tmp_path / "c.h5")) is SourceKind.KERAS3
    assert detect(keras_zip(tmp_path / "d", "2.21.0")) is SourceKind.KERAS2_ZIP


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.keras", b"", "empty"),
        ("m.h5", b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        ("m.tflite", b"\0" * 64, "not a TensorFlow Lite file"),
        ("m.keras", b"PK\x03\x04 and nothing more", "damaged or truncated archive"),
        ("m.json", b'{"class_name": "Sequential"}', "without weights"),
        ("m.onnx", b"\x08\x07\x12\x07pytorch", "ONNX"),
        ("m.h5", b"\x7fELF", "neither a Keras nor a TensorFlow Lite model"),
        ("saved_model.pb", b"\x08\x01", "pass the folder"),
    ],
)
def test_other_files_are_refused_with_a_reason(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        detect(path)
    assert caught.value.exit_code == 2 and caught.value.hint and str(path) in caught.value.message


def test_missing_file_and_folders_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        detect(tmp_path / "none.keras")
    with pytest.raises(ModelError, match="folder is empty"):
        detect(tmp_path)
    (tmp_path / "variables").mkdir()
    with pytest.raises(ModelError, match=r"without saved_model\.pb"):
        detect(tmp_path)
    for name in ("metadata.json", "config.json", "model.weights.h5"):
        (tmp_path / name).touch()
    with pytest.raises(ModelError, match=r"unpacked \.keras"):
        detect(tmp_path)


def test_zip_archives_that_are_no_models(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r'Keras "4\.0"'):
        detect(keras_zip(tmp_path / "future.keras", "4.0"))
    with pytest.raises(ModelError, match="does not tell the Keras version"):
        detect(keras_zip(tmp_path / "odd.keras", **{"metadata.json": "[]"}))
    for member, message in (
        ("archive/data.pkl", "PyTorch"),
        ("m/saved_model.pb", "zipped SavedModel"),
        ("x.npy", "data"),
    ):
        path = tmp_path / "other.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(member, "")
        with pytest.raises(ModelError, match=message):
            detect(path)


def test_truncated_archive(tmp_path: Path) -> None:
    path = keras_zip(tmp_path / "m.keras")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ModelError, match="damaged or truncated"):
        detect(path)


def test_archive_with_a_damaged_member(tmp_path: Path) -> None:
    path = keras_zip(tmp_path / "m.keras", **{"model.weights.h5": bytes(range(256)) * 64})
    data = bytearray(path.read_bytes())
    place = data.find(b"model.weights.h5") + 60
    data[place : place + 40] = bytes(40)
    path.write_bytes(data)
    with pytest.raises(ModelError, match="damaged or truncated"):
        check_archive(path)


def test_archive_bomb_and_members_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = keras_zip(tmp_path / "bomb.keras", **{"model.weights.h5": bytes(1 << 20)})
    check_archive(path)
    monkeypatch.setattr("tinygen.load.MAX_MODEL_BYTES", 1 << 19)
    with pytest.raises(ModelError, match="would unpack to"):
        check_archive(path)
    with pytest.raises(ModelError, match="outside the archive"):
        check_archive(keras_zip(tmp_path / "out.keras", **{"../../evil": ""}))


def test_detection_imports_neither_tensorflow_nor_numpy() -> None:
    code = "import sys, tinygen.load; assert not {'tensorflow', 'numpy', 'h5py'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
