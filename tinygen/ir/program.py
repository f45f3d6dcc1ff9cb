"""What lowering produces: a flat list of kernel calls over the graph's tensors.

A program says which C functions run in which order on which tensors, and with which constants. It
does not say where tensors lie: that is the memory plan's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Union

import numpy as np

from tinygen.ir.graph import Graph
from tinygen.ir.types import Array

__all__ = ["SCRATCH", "Alias", "Call", "Constant", "Function", "Param", "Program", "Scratch", "Step", "View"]


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """An array that lies in flash.

    Attributes:
        role: what it is, used in its C name: ``weights``, ``bias``, ``multipliers``, ``table`` …
        data: its dtype decides the C type; its order is the order in memory. An empty array is a null pointer.
    """

    role: str
    data: Array


@dataclass(frozen=True, slots=True)
class Function:
    """A C function as a parameter; one of the call's headers declares it, one of its sources defines it."""

    name: str


@dataclass(frozen=True, slots=True)
class Scratch:
    """An address as a parameter: ``offset`` bytes into the scratch memory of the call that the part belongs to."""

    offset: int


# A field of a kernel's parameter struct. Mappings become nested structs, tuples become arrays; numpy's integers stand
# for fields of their size.
Param = Union[int, float, "np.integer[Any]", Constant, Function, Scratch, tuple[int, ...], "Mapping[str, Param]"]


# The tensor of a view into the scratch memory of a call that is computed by parts.
SCRATCH = -1


@dataclass(frozen=True, slots=True)
class View:
    """A tensor as an argument, from ``offset`` bytes on."""

    tensor: int
    offset: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One call of a kernel: ``kernel(&params, inputs…, outputs…, scratch)``.

    Attributes:
        op: ``Op.index`` of the operator that this call computes, or a part of it.
        kernel: the C function; its parameter struct is ``<kernel>_t``.
        header: the header that declares it, relative to ``firmware/kernels``.
        sources: C or assembly files that define it, relative to ``firmware/kernels``.
        inputs: tensors read, in the order of the arguments; constants are passed as flash addresses.
        outputs: tensors written, in the order of the arguments.
        params: fields of the parameter struct, in its order; without any, no struct is passed.
        scratch_bytes: working memory that lives for this call only; 0 passes no scratch argument.
        lead: for each input that the output may overlap, by position in ``inputs``: the output may
            share memory with the input if it starts at least so many bytes before it. 0 means in
            place. The kernel's order of reading and writing guarantees it.
        copied_bytes: not 0 if the call does nothing but copy so many bytes in a row from its input to its
            output. Where both can be the same memory, there is nothing to do.
        input_alignment: the inputs must lie at multiples of so many bytes. Int8 kernels take any address
            unless they say otherwise here; other types always lie at multiples of their size.
        parts: calls that compute this one in their order, in its place; ``kernel`` and ``params`` are then
            words for people. Their views of ``SCRATCH``, and ``Scratch`` in their parameters, lie in this
            call's scratch memory.
        scratch_offset: of a part's own scratch memory in that of the whole.
    """

    op: int
    kernel: str
    header: str
    sources: tuple[str, ...]
    inputs: tuple[View, ...]
    outputs: tuple[View, ...]
    params: Mapping[str, Param] = field(default_factory=lambda: MappingProxyType({}))
    scratch_bytes: int = 0
    lead: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    copied_bytes: int = 0
    input_alignment: int = 1
    parts: tuple[Call, ...] = ()
    scratch_offset: int = 0


@dataclass(frozen=True, slots=True)
class Alias:
    """``target`` and ``source`` share memory: no code, the same bytes.

    Attributes:
        offset: of the target's start from the source's. 0 for another shape of the same elements, more for a
            piece of the source, less for a target of which the source is a part.
    """

    op: int
    source: int
    target: int
    offset: int = 0


Step = Call | Alias


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A lowered graph."""

    graph: Graph
    steps: tuple[Step, ...]

    @property
    def calls(self) -> tuple[Call, ...]:
        return tuple(s for s in self.steps if isinstance(s, Call))

    @property
    def sources(self) -> tuple[str, ...]:
        """Kernel sources that the program needs, each once, sorted."""
        return tuple(sorted({s for call in self._executed for s in call.sources}))

    @property
    def headers(self) -> tuple[str, ...]:
        """Kernel headers that the generated code includes, each once, sorted."""
        return tuple(sorted({call.header for call in self._executed}))

    @property
    def _executed(self) -> tuple[Call, ...]:
        return tuple(part for call in self.calls for part in call.parts or (call,))
