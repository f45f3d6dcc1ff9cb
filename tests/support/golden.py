"""Golden files: text that a person has reviewed, compared byte for byte, rewritten by ``--update-golden``."""

from __future__ import annotations

from pathlib import Path

__all__ = ["GOLDEN", "check_golden"]

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


def check_golden(name: str, text: str, *, update: bool) -> None:
    """Compare ``text`` with ``tests/golden/<name>``, or rewrite the file (``update_golden`` fixture)."""
    path = GOLDEN / name
    if update:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return
    assert path.exists(), f"{path} is missing; write it with: pytest --update-golden"
    assert text == path.read_text(encoding="utf-8"), f"{path} differs; review, then: pytest --update-golden"
