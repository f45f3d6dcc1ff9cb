"""How many cycles an inference takes, estimated from the instructions that it really executed.

One run gives every block of instructions in its order (``trace.py``), the image their instructions
(``thumb.py``), the core's table their cycles, and the board's flash the waiting (``timing.py``).
docs/CYCLES.md describes the model, its bounds, and how well it meets measured figures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinygen.board import Accelerator, Board
from tinygen.emulate.blocks import Code
from tinygen.emulate.thumb import CONTROL, LOADS, PC, Instruction
from tinygen.emulate.timing import Core, Cycles, Flash, load_core
from tinygen.emulate.trace import Samples, sample_registers, trace_blocks
from tinygen.errors import InternalError
from tinygen.ir import ModelInterface

__all__ = ["CycleEstimate", "can_estimate", "estimate_cycles"]

PROBE = "tg_probe"
# What the firmware does before and after an inference, and long: painting the stack above all.
_AROUND = ("tg_stack_", "tg_start", "tg_uart_", "tg_put_", "tg_crc32")
# Blocks of a section that go through the cache of code; of more, the rest behaves as these did.
_SIMULATED_BLOCKS = 200_000
# A board file that says nothing of its flash's buffers: no buffer, and the bus's eight bytes an access.
_NO_ACCELERATOR = Accelerator(line_bytes=8, code_lines=0, data_lines=0)

Blocks = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class CycleEstimate:
    """Cycles of one inference.

    Attributes:
        core: whose table was used.
        instructions: that the inference executed, from its first to its return.
        cycles: of all of them.
        sections: cycles from each probe to the next, in the order of execution; empty without probes.
    """

    core: Core
    instructions: int
    cycles: Cycles
    sections: tuple[Cycles, ...]


@dataclass(slots=True)
class _Cost:
    """What a block that led to another one costs, without its instructions' fetch."""

    instructions: int
    cycles: Cycles
    lines: range


def can_estimate(board: Board) -> bool:
    """Whether the core has a timing table and QEMU runs the board."""
    return board.qemu is not None and load_core(board.cpu.core) is not None


def estimate_cycles(board: Board, elf: Path, model: ModelInterface, vector: bytes, *, seconds: float) -> CycleEstimate:
    """Trace one inference and add up its cycles.

    Args:
        elf: a validation image, or a profile image for cycles of each operator.
        vector: the inputs, one after the other.
        seconds: the longest silence of the board.

    Raises:
        MismatchError, ToolError: as in ``runner.run_vectors``.
        InternalError: there is no table for the core, or the trace makes no sense.
    """
    core = load_core(board.cpu.core)
    if core is None:
        raise InternalError(f"no timing of {board.cpu.core}")
    code = Code(elf)
    ranges = code.ranges_without(_AROUND)
    blocks = trace_blocks(board, elf, model, vector, ranges, seconds)
    samples = sample_registers(board, elf, model, ranges, seconds)
    model_of_time = _Model(board, core, code, samples)
    parts = [model_of_time.section(blocks, start, end) for start, end in _sections(code, blocks, model.name)]
    return CycleEstimate(
        core=core,
        instructions=sum(count for count, _ in parts),
        cycles=sum((cycles for _, cycles in parts), Cycles()),
        sections=tuple(cycles for _, cycles in parts[:-1]),
    )


def _sections(code: Code, blocks: Blocks, name: str) -> Iterator[tuple[int, int]]:
    """Positions from one probe to the next, in the last inference of a trace; the last is what follows them."""
    entry = code.functions.get(f"{name}_invoke")
    if entry is None or not (entries := np.flatnonzero(blocks == entry)).size:
        raise InternalError(f"the trace never entered {name}_invoke")
    start = int(entries[-1])
    end = _return(code, blocks, start)
    probe = code.functions.get(PROBE)
    probes = start + np.flatnonzero(blocks[start:end] == probe) if probe is not None else np.empty(0, int)
    for position in probes.tolist():
        yield start, position
        start = _return(code, blocks, position)
    yield start, end


def _return(code: Code, blocks: Blocks, position: int) -> int:
    """Where the caller goes on of the function that is entered at a position."""
    caller = code.block(int(blocks[position - 1]), int(blocks[position]))
    found = np.flatnonzero(blocks[position:] == caller[-1].end)
    if not found.size:
        raise InternalError(f"the trace never came back to 0x{caller[-1].end:08x}")
    return position + int(found[0])


class _Model:
    """A core, its flash, and an image whose loads were watched."""

    def __init__(self, board: Board, core: Core, code: Code, samples: Samples) -> None:
        self._core = core
        self._code = code
        self._samples = samples
        self._regions = [region for region in board.memory if region.kind == "flash"]
        region = board.region(board.placement.code)
        buffers = board.accelerator or _NO_ACCELERATOR
        self._flash = Flash(region.wait_states, buffers.line_bytes, buffers.code_lines, buffers.data_lines)
        self._costs: dict[tuple[int, int], _Cost] = {}
        self._kept: dict[int, None] = {}  # lines of code, the one unused for longest first

    def section(self, blocks: Blocks, start: int, end: int) -> tuple[int, Cycles]:
        """Instructions and cycles of a stretch of the trace."""
        pairs = blocks[start:end].astype(np.uint64) << np.uint64(32) | blocks[start + 1 : end + 1]
        instructions, cycles = 0, Cycles()
        unique, counts = np.unique(pairs, return_counts=True)
        for pair, count in zip(unique.tolist(), counts.tolist(), strict=True):
            cost = self._cost(pair >> 32, pair & 0xFFFFFFFF)
            instructions += cost.instructions * count
            cycles += cost.cycles * count
        return instructions, cycles + self._fetch(pairs)

    def _cost(self, address: int, following: int) -> _Cost:
        known = self._costs.get((address, following))
        if known is None:
            block = self._code.block(address, following)
            cycles = self._core.run(block)
            if block[-1].kind in CONTROL and following != block[-1].end:
                cycles += self._core.jump(self._code.at(following))
            cycles = cycles.scaled(self._core.scale) + self._waiting(block, address)
            size = self._flash.line_bytes
            lines = range(address // size, (block[-1].end - 1) // size + 1)
            known = self._costs[address, following] = _Cost(len(block), cycles, lines)
        return known

    def _waiting(self, block: Sequence[Instruction], address: int) -> Cycles:
        """For data from flash."""
        total = Cycles()
        before = self._samples.before.get(address)
        after = self._samples.after.get(address)
        for i, instruction in enumerate(block):
            if instruction.kind in LOADS and instruction.base is not None:
                total += self._flash.load(instruction, self._share(block, i, before, after))
        return total

    def _share(
        self, block: Sequence[Instruction], i: int, before: Sequence[int] | None, after: Sequence[int] | None
    ) -> float | None:
        """How often a load reads flash: judged by its base when the block first ran, unless that was computed in it."""
        base = block[i].base
        if base is None or base == PC or block[i].kind in ("pop_pc", "branch_table"):
            return 1.0 if base == PC else 0.0
        if before is not None and not any(base in instruction.writes for instruction in block[:i]):
            return self._in_flash(before[base])
        if after is not None and not any(base in instruction.writes for instruction in block[i:]):
            return self._in_flash(after[base])
        return None

    def _in_flash(self, address: int) -> float:
        return float(any(region.origin <= address < region.end for region in self._regions))

    def _fetch(self, pairs: NDArray[np.uint64]) -> Cycles:
        """Waiting for lines of code; those used last are kept."""
        if not pairs.size or not self._flash.wait_states:
            return Cycles()
        changed = np.flatnonzero(np.concatenate(([True], pairs[1:] != pairs[:-1])))
        walked = pairs[changed[:_SIMULATED_BLOCKS]].tolist()
        jumps = sequential = 0
        for pair in walked:
            lines = self._costs[pair >> 32, pair & 0xFFFFFFFF].lines
            for line in lines:
                if line in self._kept:
                    del self._kept[line]
                elif line == lines.start:
                    jumps += 1
                else:
                    sequential += 1
                self._kept[line] = None
            while len(self._kept) > max(self._flash.code_lines, 1):
                del self._kept[next(iter(self._kept))]
        more = len(changed) / len(walked)
        return self._flash.fetch(jumps * more, sequential * more)
