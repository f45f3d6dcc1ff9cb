"""Picks a form for every call of a program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from tinygen.forms.form import Candidate, Target, forms_for
from tinygen.ir import Call, Graph, Program, Step

__all__ = ["Choice", "Mode", "choose"]


class Mode(Enum):
    """What to optimize for."""

    SPEED = "speed"
    SIZE = "size"
    RAM = "ram"
    BALANCED = "balanced"


@dataclass(frozen=True, slots=True)
class Choice:
    """A program whose calls have the chosen forms, and which form each operator got."""

    program: Program
    forms: Mapping[int, str]


def choose(program: Program, target: Target, mode: Mode) -> Choice:
    """Replace each call by the candidate that suits the mode best.

    Speed takes the fewest instructions, size the fewest bytes of constants, ram the least scratch;
    ties go to the fewest instructions.
    """
    steps: list[Step] = []
    forms: dict[int, str] = {}
    for step in program.steps:
        if not isinstance(step, Call):
            steps.append(step)
            continue
        candidates = list(_candidates(step, program.graph, target))
        if not candidates:
            steps.append(step)
            forms.setdefault(step.op, "portable")
            continue
        best = min(candidates, key=lambda c: _cost(c, mode))
        steps.extend(best.calls)
        forms[step.op] = best.form
    return Choice(Program(program.graph, tuple(steps)), forms)


def _candidates(call: Call, graph: Graph, target: Target) -> Iterator[Candidate]:
    for form in forms_for(call.kernel):
        yield from form.candidates(call, graph, target)


def _cost(candidate: Candidate, mode: Mode) -> tuple[float, ...]:
    match mode:
        case Mode.SPEED:
            return (candidate.instructions, candidate.flash_bytes)
        case Mode.SIZE:
            return (candidate.flash_bytes, candidate.instructions)
        case Mode.RAM:
            return (candidate.scratch_bytes, candidate.instructions)
        case Mode.BALANCED:
            return (candidate.flash_bytes // 1024, candidate.instructions)
