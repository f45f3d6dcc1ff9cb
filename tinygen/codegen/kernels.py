"""Which files of the C runtime a program needs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from tinygen.errors import InternalError

__all__ = ["kernel_files"]

_INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def kernel_files(root: Path, sources: Iterable[str], headers: Iterable[str]) -> dict[str, bytes]:
    """The sources and headers, with every header that they include, by path relative to ``root``.

    Args:
        root: ``firmware/kernels``; includes are looked up there and beside the including file.
    """
    found: dict[str, bytes] = {}
    pending = [*sources, *headers, "tg_runtime.h"]
    while pending:
        path = pending.pop()
        if path in found:
            continue
        try:
            found[path] = (root / path).read_bytes()
        except OSError as error:
            raise InternalError(f"the kernel file {path} is missing: {error.strerror}") from error
        for include in _INCLUDE.findall(found[path].decode()):
            beside = (Path(path).parent / include).as_posix()
            pending.append(include if (root / include).exists() else beside)
    return dict(sorted(found.items()))
