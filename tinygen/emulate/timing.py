"""How many cycles instructions take: the published tables of the cores, and the waiting for flash.

The tables are data, ``boards/timing/<core>.toml``. A time is a range: the fewest cycles that the tables
allow, an estimate, and the most. docs/CYCLES.md says how good that is.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from tinygen.emulate.thumb import LOADS, Instruction, Kind
from tinygen.errors import InternalError
from tinygen.resources import BOARDS

__all__ = ["Core", "Cycles", "Flash", "load_core"]

_MOVES = frozenset(("load", "load_literal", "store"))
_ADDRESSES = LOADS | {"store", "store_dual", "store_multiple"}


@dataclass(frozen=True, slots=True)
class Cycles:
    """A range of cycles: at least ``low``, about ``estimate``, at most ``high``."""

    low: float = 0.0
    estimate: float = 0.0
    high: float = 0.0

    def __add__(self, other: Cycles) -> Cycles:
        return Cycles(self.low + other.low, self.estimate + other.estimate, self.high + other.high)

    def __mul__(self, times: float) -> Cycles:
        return Cycles(self.low * times, self.estimate * times, self.high * times)

    def scaled(self, factors: Cycles) -> Cycles:
        """Each bound times its own factor."""
        return Cycles(self.low * factors.low, self.estimate * factors.estimate, self.high * factors.high)


_NONE = Cycles()


@dataclass(frozen=True, slots=True)
class Core:
    """The timing of one core, memory without wait states.

    Attributes:
        name: as boards call it.
        basis: ``published`` by the core's maker, or ``scaled`` from another core by measurements.
        source: where the numbers are from.
        cycles: of each kind of instruction.
        per_register: for each register moved, besides.
        refill: of the pipeline after a taken branch.
        scale: factors for the sum; 1 where the core's own numbers are published.
        pipelined_loads: a load or store right after a load takes a cycle less.
        address_stall: cycles that an address costs which the instruction before made.
    """

    name: str
    basis: str
    source: str
    cycles: Mapping[str, Cycles]
    per_register: Mapping[str, Cycles]
    refill: Cycles
    scale: Cycles
    pipelined_loads: bool
    address_stall: float

    def run(self, block: Sequence[Instruction]) -> Cycles:
        """Cycles of instructions that follow each other, without a refill at their end."""
        total, before = _NONE, None
        for instruction in block:
            total += self._one(instruction, before)
            before = instruction
        return total

    def jump(self, target: Instruction) -> Cycles:
        """Cycles of the refill when a branch is taken."""
        slow = 1.0 if target.is_wide_and_unaligned else 0.0
        return Cycles(self.refill.low, min(self.refill.estimate + slow, self.refill.high), self.refill.high)

    def _one(self, instruction: Instruction, before: Instruction | None) -> Cycles:
        kind = instruction.kind
        cycles = self.cycles[kind]
        if kind in self.per_register:
            cycles += self.per_register[kind] * instruction.count
        elif kind == "float" and instruction.count > 1:
            cycles = cycles * instruction.count
        if before is None or kind not in _ADDRESSES:
            return cycles
        uses = {instruction.base, instruction.index}
        depends = bool(uses & set(before.writes))
        if self.pipelined_loads and kind in _MOVES and before.kind in ("load", "load_literal") and not depends:
            return Cycles(max(cycles.low - 1, 1.0), max(cycles.estimate - 1, 1.0), cycles.high)
        if depends and before.kind not in LOADS:
            return cycles + Cycles(0.0, self.address_stall, self.address_stall)
        return cycles


@dataclass(frozen=True, slots=True)
class Flash:
    """Flash that the core has to wait for, and the buffers that spare it from waiting.

    Attributes:
        wait_states: cycles more than from RAM, for a line that no buffer holds.
        line_bytes: what one access to the array brings.
        code_lines, data_lines: how many lines are kept for instructions and for data; 0 where unknown.
    """

    wait_states: int
    line_bytes: int
    code_lines: int
    data_lines: int

    def load(self, instruction: Instruction, share: float | None) -> Cycles:
        """Waiting of one execution of a load.

        Args:
            share: how often it reads flash, 0 to 1; ``None`` where nobody knows.
        """
        size = max(instruction.bytes, 1)
        lines = 1 + -(-max(size - 4, 0) // self.line_bytes)
        most = float(lines * self.wait_states)
        if instruction.kind == "load_literal":
            return Cycles(0.0, most, most)
        stream = min(size / self.line_bytes, 1.0 * lines) if self.data_lines else float(lines)
        known = 0.0 if share is None else share
        return Cycles(0.0, known * stream * self.wait_states, (1.0 if share is None else known) * most)

    def fetch(self, jumps: float, sequential: float) -> Cycles:
        """Waiting for lines of code that were not kept: behind a jump, and in sequence behind another line."""
        wait = float(self.wait_states)
        return Cycles(0.0, wait * (jumps + sequential / 2), wait * (jumps + sequential))


@cache
def load_core(name: str) -> Core | None:
    """The timing of a core, or ``None`` if there is none for it.

    Args:
        name: as ``cpu.core`` of a board file, such as ``cortex-m4``.

    Raises:
        InternalError: the file has mistakes.
    """
    path = BOARDS / "timing" / f"{name}.toml"
    if not path.is_file():
        return None
    try:
        return _core(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise InternalError(f"{path}: {type(error).__name__}: {error}") from error


def _core(data: Mapping[str, Any]) -> Core:
    cycles = {kind: _range(value) for kind, value in data["cycles"].items()}
    missing = set(get_args(Kind)) - set(cycles)
    unknown = (set(cycles) | set(data["cycles_per_register"])) - set(get_args(Kind))
    if missing or unknown:
        raise ValueError(f"kinds without cycles: {sorted(missing)}; unknown kinds: {sorted(unknown)}")
    return Core(
        name=data["core"],
        basis=data["basis"],
        source=data["source"],
        cycles=cycles,
        per_register={kind: _range(value) for kind, value in data["cycles_per_register"].items()},
        refill=_range(data["refill"]["cycles"]),
        scale=_range(data.get("scale", {"cycles": 1})["cycles"]),
        pipelined_loads=data["pipelined_loads"],
        address_stall=float(data["address_stall"]),
    )


def _range(value: float | Sequence[float]) -> Cycles:
    if isinstance(value, (int, float)):
        return Cycles(float(value), float(value), float(value))
    low, estimate, high = (float(v) for v in value)
    if not low <= estimate <= high:
        raise ValueError(f"{value} is not in order")
    return Cycles(low, estimate, high)
