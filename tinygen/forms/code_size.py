"""How much flash the code of kernels takes: measured by ``scripts/measure_kernels.py``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache

from tinygen.resources import FIRMWARE

__all__ = ["code_bytes"]

# Of a kernel that has not been measured yet.
UNMEASURED = 400


def code_bytes(sources: Iterable[str], level: str) -> int:
    """Bytes of flash of these kernel sources together, compiled at this level (``-Os``, ``-O2``, ``-O3``)."""
    table = _table()
    return sum(table.get(source, {}).get(level, UNMEASURED) for source in sources)


@cache
def _table() -> dict[str, dict[str, int]]:
    path = FIRMWARE / "kernels" / "code_sizes.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
