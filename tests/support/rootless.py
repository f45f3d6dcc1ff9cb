"""What comes from PyPI instead of the system: Zig's compiler, Unicorn's emulator."""

from __future__ import annotations

import importlib.util

import pytest

from tinygen.build.zig import find_zig

__all__ = ["needs_unicorn", "needs_zig"]

needs_zig = pytest.mark.skipif(find_zig() is None, reason="ziglang is not installed (pip install ziglang)")
needs_unicorn = pytest.mark.skipif(
    importlib.util.find_spec("unicorn") is None, reason="unicorn is not installed (pip install unicorn)"
)
