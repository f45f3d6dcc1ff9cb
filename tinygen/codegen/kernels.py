"""Which files of the C runtime a program needs."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from pathlib import Path

from tinygen.errors import InternalError

__all__ = ["kernel_files"]

_INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
_ALWAYS = ("tg_runtime.h", "tg_abi.c")


def kernel_files(root: Path, sources: Iterable[str], headers: Iterable[str]) -> dict[str, bytes]:
    """The sources and headers, with every header that they include, by path relative to ``root``.

    Kernels include each other's headers by relative paths, so that packages of several models in one project read
    their own ones.
    """
    found: dict[str, bytes] = {}
    pending = [*sources, *headers, *_ALWAYS]
    while pending:
        path = pending.pop()
        if path in found:
            continue
        try:
            found[path] = (root / path).read_bytes()
        except OSError as error:
            raise InternalError(f"the kernel file {path} is missing: {error.strerror}") from error
        for include in _INCLUDE.findall(found[path].decode()):
            pending.append(posixpath.normpath(posixpath.join(posixpath.dirname(path), include)))
    return dict(sorted(found.items()))
