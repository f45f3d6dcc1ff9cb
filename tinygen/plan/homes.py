"""Which tensors are one piece of memory, by a program's aliases, and where in it each of them starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tinygen.errors import InternalError
from tinygen.ir import Alias, Program

__all__ = ["Home", "Homes", "homes_of", "try_homes"]


@dataclass(frozen=True, slots=True)
class Home:
    """``tensor`` names a piece of memory: the constant in it, or else the tensor that starts first; ``offset``
    leads from its start."""

    tensor: int
    offset: int


# Tensors that share memory with others; every other one is a home of its own.
Homes = Mapping[int, Home]


def homes_of(program: Program) -> Homes:
    """The homes of all tensors that aliases join.

    Raises:
        InternalError: aliases want a tensor in two places.
    """
    homes = try_homes(program)
    if homes is None:
        raise InternalError("the program's aliases contradict each other")
    return homes


def try_homes(program: Program) -> Homes | None:
    """The same; ``None`` if aliases want a tensor in two places."""
    groups: dict[int, dict[int, int]] = {}  # tensor -> its group: tensor -> offset from any common origin
    for step in program.steps:
        if isinstance(step, Alias) and not _join(groups, step):
            return None
    homes: dict[int, Home] = {}
    for group in {id(g): g for g in groups.values()}.values():
        first = min(group, key=lambda t: (not program.graph.tensors[t].is_constant, group[t], t))
        homes |= {t: Home(first, offset - group[first]) for t, offset in group.items()}
    return homes


def _join(groups: dict[int, dict[int, int]], alias: Alias) -> bool:
    """Make one group of two; False if they are one already, with the target elsewhere."""
    group = groups.setdefault(alias.source, {alias.source: 0})
    other = groups.setdefault(alias.target, {alias.target: 0})
    place = group[alias.source] + alias.offset
    if group is other:
        return group[alias.target] == place
    for tensor, offset in other.items():
        group[tensor] = offset - other[alias.target] + place
        groups[tensor] = group
    return True
