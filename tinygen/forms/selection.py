"""A choice under way: which candidate each call has, what that costs, and how it may change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from tinygen.forms.channel_codes import with_packed_channels
from tinygen.forms.code_size import code_bytes
from tinygen.forms.estimate import portable_instructions
from tinygen.forms.form import Candidate, Target, forms_for
from tinygen.ir import Call, Program, Step
from tinygen.plan import buffers_of, homes_of, is_aligned, place

__all__ = ["Move", "Options", "Selection", "Totals", "Trial", "options_of"]

# Position of a step -> the ways to compute it; the portable one is the first.
Options = Mapping[int, tuple[Candidate, ...]]
# Positions of steps, and the index of the candidate that each of them gets.
Move = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Totals:
    """Estimates for a whole program: constants and kernels in flash, arena in RAM, instructions."""

    flash: int
    arena: int
    instructions: int


class Trial:
    """A move that is undone at the end of its block unless it is kept."""

    def __init__(self) -> None:
        self.kept = False

    def keep(self) -> None:
        self.kept = True


def options_of(program: Program, target: Target) -> Options:
    """All ways to compute each call on the target, from inputs where the program's aliases put them."""
    homes = homes_of(program)
    options: dict[int, tuple[Candidate, ...]] = {}
    for position, step in enumerate(program.steps):
        if isinstance(step, Call):
            portable = Candidate("portable", (step,), portable_instructions(step, program.graph))
            forms = [c for f in forms_for(step.kernel) for c in f.candidates(step, program.graph, target)]
            ways = (portable, *(f for f in forms if all(is_aligned(c, homes) for c in f.calls)))
            packed = [(way, with_packed_channels(way, program.graph)) for way in ways]
            options[position] = (*ways, *(p for way, p in packed if p is not None and p.flash_bytes < way.flash_bytes))
    return options


class Selection:
    """One candidate for each call, changeable, with its costs.

    Args:
        level: compiler level at which kernels are compiled; decides what their code takes.
    """

    def __init__(self, program: Program, options: Options, level: str) -> None:
        self._program = program
        self._options = options
        self._level = level
        self._picked = dict.fromkeys(options, 0)
        self._arenas: dict[tuple[int, ...], int] = {}
        self._flash = {p: tuple(c.flash_bytes for c in candidates) for p, candidates in options.items()}

    def at_level(self, level: str) -> Selection:
        """A choice of its own among the same ways, for kernels that are compiled at another level."""
        return Selection(self._program, self._options, level)

    def pick_portable(self) -> None:
        self._picked = dict.fromkeys(self._options, 0)

    def pick_smallest(self) -> None:
        """For each call the fewest bytes of constants."""
        self._pick_by(lambda c: (c.flash_bytes, c.instructions))

    def pick_fastest(self) -> None:
        self._pick_by(lambda c: (c.instructions, c.flash_bytes))

    def pick_least_memory(self) -> None:
        """For each call the least scratch and distance between output and input, then the fewest instructions."""
        self._pick_by(lambda c: (c.scratch_bytes + self._distance(c), c.instructions))

    def state(self) -> tuple[int, ...]:
        return tuple(self._picked.values())

    def restore(self, state: Sequence[int]) -> None:
        self._picked = dict(zip(self._picked, state, strict=True))

    def chosen(self) -> list[Candidate]:
        return [self._options[p][i] for p, i in self._picked.items()]

    def program(self) -> Program:
        """The program with the picked candidates' calls."""
        steps: list[Step] = []
        for position, step in enumerate(self._program.steps):
            if position in self._picked:
                steps.extend(self._options[position][self._picked[position]].calls)
            else:
                steps.append(step)
        return Program(self._program.graph, tuple(steps))

    def flash_and_instructions(self) -> tuple[int, int]:
        """Bytes of constants and code, instructions; code that several calls share counts once."""
        chosen = self.chosen()
        sources = frozenset[str]().union(*(c.sources for c in chosen))
        constants = sum(self._flash[p][i] for p, i in self._picked.items())
        flash = constants + code_bytes(sources, self._level)
        return flash, sum(c.instructions for c in chosen)

    def totals(self) -> Totals:
        flash, instructions = self.flash_and_instructions()
        state = self.state()
        if state not in self._arenas:
            self._arenas[state] = place(*buffers_of(self.program()), exact=False).bytes
        return Totals(flash, self._arenas[state], instructions)

    def moves(self) -> list[Move]:
        """Each other candidate of each call; each form for all calls of a kernel at once; and each form for
        those calls of a kernel that have the same one now."""
        single = [
            ((position, i),)
            for position, candidates in self._options.items()
            for i in range(len(candidates))
            if i != self._picked[position]
        ]
        grouped = [m for m in self._group_moves if any(self._picked[p] != i for p, i in m)]
        return list(dict.fromkeys(single + grouped + self._joint_moves()))

    def _joint_moves(self) -> list[Move]:
        """From one form to another, for all calls of a kernel that have it and can take the other."""
        groups: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
        for position, candidates in self._options.items():
            kernel, now = candidates[0].calls[0].kernel, candidates[self._picked[position]].form
            for i, candidate in enumerate(candidates):
                if candidate.form != now:
                    groups.setdefault((kernel, now, candidate.form), []).append((position, i))
        return [tuple(group) for group in groups.values() if len(group) > 1]

    @contextmanager
    def trial(self, move: Move) -> Iterator[Trial]:
        """Make a move for the length of a block, or for good if it is kept."""
        before = {position: self._picked[position] for position, _ in move}
        self._picked.update(move)
        trial = Trial()
        try:
            yield trial
        finally:
            if not trial.kept:
                self._picked.update(before)

    def apply(self, move: Move) -> None:
        self._picked.update(move)

    @cached_property
    def _group_moves(self) -> list[Move]:
        """Shared code pays only if several calls use it, so they must be able to change together."""
        groups: dict[tuple[str, str], list[tuple[int, int]]] = {}
        for position, candidates in self._options.items():
            kernel = candidates[0].calls[0].kernel
            for i, candidate in enumerate(candidates):
                groups.setdefault((kernel, candidate.form), []).append((position, i))
                groups.setdefault(("", candidate.form), []).append((position, i))
        unique = {tuple(sorted(dict(group).items())): None for group in groups.values() if len(group) > 1}
        return list(unique)

    def _pick_by(self, key: Callable[[Candidate], tuple[int, ...]]) -> None:
        self._picked = {
            position: min(range(len(candidates)), key=lambda i: key(candidates[i]))
            for position, candidates in self._options.items()
        }

    def _distance(self, candidate: Candidate) -> int:
        """How much the output and an input take together beyond the larger of the two."""
        tensors = self._program.graph.tensors
        total = 0
        for call in candidate.calls:
            written = sum(tensors[v.tensor].bytes for v in call.outputs)
            reads = [tensors[v.tensor].bytes for v in call.inputs if not tensors[v.tensor].is_constant]
            read = max(reads, default=0)
            apart = min(written, read)
            lead = min(call.lead.values(), default=None)
            total += (
                apart if lead is None else min(apart, max(0, max(written, max(lead, 0) + read) - max(written, read)))
            )
        return total
