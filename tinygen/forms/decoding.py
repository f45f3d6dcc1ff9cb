"""Constants that lie encoded in flash, and are decoded into scratch memory by a call before the kernel's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tinygen.ir import SCRATCH, Call, Param, Scratch, View
from tinygen.plan import ALIGNMENT

__all__ = ["Decoder", "Path", "at", "behind_decoder", "replaced"]

# Names of nested structs, and of a field in the innermost.
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Decoder:
    """The call that decodes.

    Attributes:
        kernel, header, sources, params: as of any call.
        bytes: that it writes.
        fields: pointers in the parameters of the kernel that reads them -> how far behind the first byte they lead.
    """

    kernel: str
    header: str
    sources: tuple[str, ...]
    params: Mapping[str, Param]
    bytes: int
    fields: Mapping[Path, int]


def behind_decoder(call: Call, decoder: Decoder) -> Call:
    """The call with some of its constants decoded; they lie behind its own scratch memory."""
    *before, kernel = call.parts or (replace(call, lead={}),)
    offset = -(-call.scratch_bytes // ALIGNMENT) * ALIGNMENT
    params = kernel.params
    for path, start in decoder.fields.items():
        params = replaced(params, path, Scratch(offset + start))
    decode = Call(
        op=call.op,
        kernel=decoder.kernel,
        header=decoder.header,
        sources=decoder.sources,
        inputs=(),
        outputs=(View(SCRATCH, offset),),
        params=decoder.params,
    )
    return replace(
        call,
        kernel=f"{decoder.kernel}+{call.kernel}",
        sources=(*call.sources, *decoder.sources),
        params={},
        scratch_bytes=offset + decoder.bytes,
        parts=(*before, decode, replace(kernel, params=params)),
    )


def at(params: Mapping[str, Param], path: Path) -> Param:
    """A field somewhere inside."""
    value: Param = params
    for name in path:
        assert isinstance(value, Mapping)
        value = value[name]
    return value


def replaced(params: Mapping[str, Param], path: Path, value: Param) -> dict[str, Param]:
    """The parameters with another value somewhere inside."""
    first, *rest = path
    if rest:
        inner = params[first]
        assert isinstance(inner, Mapping)
        value = replaced(inner, tuple(rest), value)
    return {**params, first: value}
