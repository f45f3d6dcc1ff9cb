"""tf_keras models as bytes, the same bytes each time."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

__all__ = ["load_keras", "save_keras"]

# The earliest date that a zip archive knows.
_DATE = (1980, 1, 1, 0, 0, 0)


def save_keras(model: Any) -> bytes:
    """A .keras archive without dates, so that the same model gives the same bytes."""
    with tempfile.TemporaryDirectory(prefix="tinygen-") as name:
        path = Path(name) / "model.keras"
        model.save(path, save_format="keras")
        return _without_dates(path)


def load_keras(content: bytes) -> Any:
    """The model in such an archive; it is one that tinygen wrote."""
    import tf_keras

    with tempfile.TemporaryDirectory(prefix="tinygen-") as name:
        path = Path(name) / "model.keras"
        path.write_bytes(content)
        return tf_keras.models.load_model(path, compile=False)


def _without_dates(path: Path) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(source.namelist()):
            content = source.read(name)
            if name == "metadata.json":
                metadata = json.loads(content)
                metadata["date_saved"] = ""
                content = json.dumps(metadata).encode()
            archive.writestr(zipfile.ZipInfo(name, _DATE), content, zipfile.ZIP_DEFLATED)
    return target.getvalue()
