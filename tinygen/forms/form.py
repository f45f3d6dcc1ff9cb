"""The contract of a form, and the registry of all forms.

Lowering yields calls of portable kernels with plain int8 weights. A form is another way to compute
the same call, bit for bit: other kernels, another layout or encoding of the weights. It says what it
costs; ``choose`` picks one form for each call.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tinygen.errors import InternalError
from tinygen.ir import Array, Call, Constant, Graph, Param

__all__ = ["Candidate", "Form", "Target", "arrays_of", "constant_bytes", "forms_for", "register"]


POINTER_BYTES = 4
# Instructions and addresses of a call in generated code, and of one that decodes for it.
CALL_BYTES = 20
DECODER_BYTES = 12


@dataclass(frozen=True, slots=True)
class Target:
    """What the compiler may count on; from the board's CPU.

    Attributes:
        dsp: Armv7E-M or Armv8-M DSP instructions (SMLAD, SXTB16, SMMLA …).
        mve: M-profile vector extension, integer part.
    """

    dsp: bool = False
    mve: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One way to compute a call.

    Attributes:
        form: its name, for the report: ``portable``, ``int16``, ``pair8``, ``winograd`` …
        calls: what replaces the portable call: usually one.
        instructions: estimated executed instructions of one inference on the target.
        reason: why it fits this layer, a few words for the report.
    """

    form: str
    calls: tuple[Call, ...]
    instructions: int
    reason: str = ""

    @property
    def flash_bytes(self) -> int:
        """Bytes of the calls, their parameters, and the constants that these refer to; shared ones count here, too."""
        parts = [part for call in self.calls for part in call.parts or (call,)]
        calls = CALL_BYTES * len(self.calls) + DECODER_BYTES * (len(parts) - len(self.calls))
        return calls + sum(constant_bytes(part.params) for part in parts)

    @property
    def scratch_bytes(self) -> int:
        return max((call.scratch_bytes for call in self.calls), default=0)

    @property
    def sources(self) -> frozenset[str]:
        """Kernel files that the form needs; a file that another layer needs anyway costs nothing more."""
        return frozenset(s for call in self.calls for s in call.sources)


class Form(ABC):
    """A way to compute calls of certain kernels."""

    replaces: ClassVar[tuple[str, ...]]

    @abstractmethod
    def candidates(self, call: Call, graph: Graph, target: Target) -> Iterator[Candidate]:
        """Yield each exact way to compute ``call`` on ``target``; none if a precondition fails."""


_REGISTRY: dict[str, list[Form]] = {}


def register(cls: type[Form]) -> type[Form]:
    """Class decorator: make a form known for each kernel that it replaces."""
    form = cls()
    if not cls.replaces:
        raise InternalError(f"the form {cls.__name__} replaces nothing")
    for kernel in cls.replaces:
        _REGISTRY.setdefault(kernel, []).append(form)
    return cls


def forms_for(kernel: str) -> tuple[Form, ...]:
    """The forms that may replace a call of this kernel."""
    return tuple(_REGISTRY.get(kernel, ()))


def arrays_of(value: Param) -> Iterator[Array]:
    """The arrays that a parameter refers to."""
    if isinstance(value, Constant):
        yield np.asarray(value.data)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from arrays_of(inner)


def constant_bytes(value: Param) -> int:
    """Bytes of flash that a parameter takes: its words in the struct, and the arrays that they point to."""
    if isinstance(value, Constant):
        return POINTER_BYTES + int(np.asarray(value.data).nbytes)
    if isinstance(value, Mapping):
        return sum(constant_bytes(v) for v in value.values())
    if isinstance(value, np.integer):
        return value.itemsize
    return 4 * len(value) if isinstance(value, tuple) else 4
