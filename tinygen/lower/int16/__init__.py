"""Rooms of the operators that read 16-bit activations, as TensorFlow's recipe of int16 activations and int8 weights
makes them.

Each stands beside the room of the same operator for int8 (``operator.find_for`` chooses) and takes from it what does
not depend on the type. All zero points are 0. Operators that only move bytes have one room for all types.
"""

from __future__ import annotations

import importlib
import pkgutil

__all__: list[str] = []

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
