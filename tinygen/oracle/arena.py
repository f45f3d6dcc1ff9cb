"""The smallest arena with which TensorFlow Lite Micro runs a model, on this machine.

The interpreter in the wheel is built for 64 bits: its structures hold wider pointers than on a
microcontroller, so what is enough here is enough there.
"""

from __future__ import annotations

import math

from tinygen.child import Message, run_child, serve
from tinygen.oracle.interpreter import InProcessOracle

__all__ = ["tflm_arena_bytes"]

GRANULARITY = 16
TIMEOUT_SECONDS = 300.0


def tflm_arena_bytes(tflite: bytes, *, name: str = "model") -> int:
    """Measure the arena by bisection, in a child process.

    Args:
        tflite: the flatbuffer.
        name: what messages call the model.

    Returns:
        Bytes, a multiple of 16.

    Raises:
        ModelError: TFLM refuses the model with any arena.
        ToolError: it crashed or took too long.
    """
    import numpy as np

    request = Message({}, {"tflite": np.frombuffer(tflite, np.uint8)})
    answer = run_child(
        "tinygen.oracle.arena", request, subject=f"measuring TFLM's arena for {name}", time_limit=TIMEOUT_SECONDS
    )
    return int(answer.values["arena_bytes"])


def _handle(request: Message) -> Message:
    tflite = request.arrays["tflite"].tobytes()
    InProcessOracle(tflite, preserve_all=False)  # refuses what no arena would help
    # TFLM's allocator aborts on arenas that can't even hold its own first structures.
    low, high = 4096, 4096
    while not _runs(tflite, high):
        low, high = high, 2 * high
    while high - low > GRANULARITY:
        middle = math.ceil((low + high) / 2 / GRANULARITY) * GRANULARITY
        low, high = (low, middle) if _runs(tflite, middle) else (middle, high)
    return Message({"arena_bytes": high})


def _runs(tflite: bytes, arena_bytes: int) -> bool:
    from tinygen.errors import ModelError

    try:
        InProcessOracle(tflite, preserve_all=False, arena_bytes=arena_bytes)
    except ModelError:
        return False
    return True


if __name__ == "__main__":
    serve(_handle)
