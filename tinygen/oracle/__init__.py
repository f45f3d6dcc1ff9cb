"""The reference that defines every output bit: TensorFlow Lite Micro, as the pinned ``tflite-micro`` wheel.

``reference_outputs`` and ``reference_tensors`` run it in a child process, which may crash without taking
tinygen along. ``InProcessOracle`` is for tests that run thousands of models that they made themselves.
"""

from tinygen.oracle.arena import tflm_arena_bytes
from tinygen.oracle.interpreter import InProcessOracle
from tinygen.oracle.reference import reference_outputs, reference_tensors

__all__ = ["InProcessOracle", "reference_outputs", "reference_tensors", "tflm_arena_bytes"]
