"""The smallest arena with which TensorFlow Lite Micro runs a model, on this machine.

The interpreter in the wheel is built for 64 bits: its structures hold wider pointers than on a
microcontroller, so what is enough here is enough there. On an arena that is far too small TFLM may crash
instead of refusing: a child process tries the sizes, and where it dies, the search goes on in another one.
"""

from __future__ import annotations

import numpy as np

from tinygen.child import CrashError, Message, run_child
from tinygen.errors import ToolError

__all__ = ["tflm_arena_bytes"]

TIMEOUT_SECONDS = 300.0
MAX_CRASHES = 24


def tflm_arena_bytes(tflite: bytes, *, name: str = "model") -> int:
    """Measure the arena by bisection, in child processes.

    Args:
        tflite: the flatbuffer.
        name: what messages call the model.

    Returns:
        Bytes, a multiple of 16.

    Raises:
        ModelError: TFLM refuses the model with any arena.
        ToolError: it crashes with any, or takes too long.
    """
    too_small, enough = 0, 0
    tried = 0

    def remember(text: str) -> None:
        nonlocal too_small, enough, tried
        word, size = text.split()
        tried = int(size)
        if word == "enough":
            enough = tried
        elif word == "small":
            too_small = tried

    for _ in range(MAX_CRASHES):
        request = Message({"too_small": too_small, "enough": enough}, {"tflite": np.frombuffer(tflite, np.uint8)})
        try:
            answer = run_child(
                "tinygen.oracle.arena_worker",
                request,
                subject=f"measuring TFLM's arena for {name}",
                time_limit=TIMEOUT_SECONDS,
                on_progress=remember,
            )
            return int(answer.values["arena_bytes"])
        except CrashError:
            if tried <= too_small:
                raise
            too_small = tried  # it died of this size
    raise ToolError(f"TensorFlow Lite Micro crashes on {name} with every arena that was tried")
