"""What an exception of Keras's or TensorFlow's says, without where TensorFlow was at the time."""

from __future__ import annotations

import re

__all__ = ["essence"]

_CODE_PLACE = re.compile(r'^\s*File ".*\n.*\n?', re.MULTILINE)
_DECORATION = re.compile(r"\x1b\[[\d;]*m|\{\{[^}]*\}\}|\[Op:\w+\] name:")


def essence(error: Exception) -> str:
    """The first lines that tell something, without traced code, internal nodes' names and colours."""
    text = _CODE_PLACE.sub("", str(error)).replace("in user code:", "")
    lines = [line.strip() for line in _DECORATION.sub("", text).splitlines() if line.strip()]
    return " ".join(lines[:2])[:300] or type(error).__name__
