"""What emulated tests need: a reason to skip where the tools are absent."""

from __future__ import annotations

import shutil

import pytest

__all__ = ["needs_arm_gcc", "needs_qemu", "needs_renode"]

needs_arm_gcc = pytest.mark.skipif(
    shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed"
)
needs_qemu = pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="qemu-system-arm is not installed")
needs_renode = pytest.mark.skipif(
    shutil.which("renode-test") is None, reason="renode-test is not on the PATH; Renode is in no package registry"
)
