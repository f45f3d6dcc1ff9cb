"""The child process of ``tinygen.oracle.arena``: tries arena sizes and says before each which one."""

from __future__ import annotations

import math

from tinygen.child import Message, progress, serve
from tinygen.errors import ModelError
from tinygen.oracle.interpreter import InProcessOracle

__all__ = ["handle"]

GRANULARITY = 16
SMALLEST = 1024


def handle(request: Message) -> Message:
    """Bisect between an arena that is too small and one that is enough.

    Request: values ``too_small`` and ``enough``, 0 where not known; array ``tflite``.
    Answer: value ``arena_bytes``.
    """
    tflite = request.arrays["tflite"].tobytes()
    low, high = request.values["too_small"], request.values["enough"]
    if not high:
        InProcessOracle(tflite, preserve_all=False)  # refuses what no arena would help
        high = max(2 * low, SMALLEST)
        while not _runs(tflite, high):
            low, high = high, 2 * high
    while high - low > GRANULARITY:
        middle = math.ceil((low + high) / 2 / GRANULARITY) * GRANULARITY
        low, high = (low, middle) if _runs(tflite, middle) else (middle, high)
    return Message({"arena_bytes": high})


def _runs(tflite: bytes, arena_bytes: int) -> bool:
    progress(f"try {arena_bytes}")
    try:
        InProcessOracle(tflite, preserve_all=False, arena_bytes=arena_bytes)
    except ModelError:
        progress(f"small {arena_bytes}")
        return False
    progress(f"enough {arena_bytes}")
    return True


if __name__ == "__main__":
    serve(handle)
