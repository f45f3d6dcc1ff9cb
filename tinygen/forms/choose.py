"""Picks a form for every call of a program: the fewest instructions within limits of flash and RAM.

The modes differ in their limits only. ``size`` and ``ram`` first find out how little flash or arena is
possible and then spend hardly more; ``balanced`` spends a little of both; ``speed`` has no limits of its own.
A limit of flash that the user gives applies in every mode; ``balanced`` has no others then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from tinygen.forms.form import Target
from tinygen.forms.selection import Options, Selection, Totals, options_of
from tinygen.ir import Program

__all__ = ["Choice", "Limits", "Mode", "choose"]

# How far over the least possible flash and arena a mode may go to save instructions: a share, and bytes that are
# always allowed, since a small model is little more than the code of its kernels. For ``balanced``, the least flash
# is what ``size`` takes.
_FLASH_SHARE = {"size": 1.02, "balanced": 1.15}
_FLASH_BYTES = {"size": 1400, "balanced": 4096}
_ARENA_SHARE = {"ram": 1.05, "balanced": 1.12}
_ARENA_BYTES = {"ram": 64, "balanced": 256}
# The share of instructions that a share of flash must save in turn.
_WORTH = {"size": 1.0}
_UNLIMITED = 1 << 40
# Of kernels compiled for size, about: assembly by less, C by more.
SMALL_CODE_SLOWDOWN = 1.1


class Mode(Enum):
    """What to optimize for."""

    SPEED = "speed"
    SIZE = "size"
    RAM = "ram"
    BALANCED = "balanced"

    @property
    def kernel_level(self) -> str:
        """The compiler's optimization level for kernels."""
        return {"speed": "-O3", "size": "-Os"}.get(self.value, "-O2")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes that constants with kernels, and the arena, may take."""

    flash: int = _UNLIMITED
    arena: int = _UNLIMITED

    def allow(self, totals: Totals) -> bool:
        return totals.flash <= self.flash and totals.arena <= self.arena


@dataclass(frozen=True, slots=True)
class Choice:
    """A program whose calls have the chosen forms.

    Attributes:
        forms: operator -> name of its form.
        reasons: operator -> a few words on why.
        totals: what was estimated for the whole.
        kernel_level: the compiler's optimization level for kernels; the mode's, or smaller to keep to a limit.
    """

    program: Program
    forms: Mapping[int, str]
    reasons: Mapping[int, str]
    totals: Totals
    kernel_level: str


def choose(program: Program, target: Target, mode: Mode, *, flash_limit: int | None = None) -> Choice:
    """Replace calls by the forms that suit the mode best.

    Args:
        flash_limit: bytes for constants, their descriptions and kernels together.
    """
    options = options_of(program, target)
    choice = _choose(program, options, mode, mode.kernel_level, flash_limit)
    if flash_limit is None or mode is Mode.SIZE:
        return choice
    # Smaller code may leave room for faster forms.
    smaller = _choose(program, options, mode, Mode.SIZE.kernel_level, flash_limit)
    return min(choice, smaller, key=lambda c: (max(c.totals.flash - flash_limit, 0), _instructions(c, mode)))


def _instructions(choice: Choice, mode: Mode) -> int:
    """Estimates hold for the mode's own level."""
    return int(choice.totals.instructions * (1.0 if choice.kernel_level == mode.kernel_level else SMALL_CODE_SLOWDOWN))


def _choose(program: Program, options: Options, mode: Mode, level: str, flash_limit: int | None) -> Choice:
    selection = Selection(program, options, level)
    limits = _limits(selection, mode, flash_limit)
    _fill(selection, mode, limits, flash_limit or _UNLIMITED)
    chosen = selection.chosen()
    return Choice(
        program=selection.program(),
        forms={c.calls[0].op: c.form for c in chosen},
        reasons={c.calls[0].op: c.reason for c in chosen},
        totals=selection.totals(),
        kernel_level=level,
    )


def _limits(selection: Selection, mode: Mode, flash_limit: int | None) -> Limits:
    flash = arena = _UNLIMITED

    def relaxed(least: int, share: dict[str, float], always: dict[str, int]) -> int:
        return max(int(least * share[mode.value]), least + always[mode.value])

    free = mode is Mode.BALANCED and flash_limit is not None
    if mode is Mode.SIZE:
        _minimize_flash(selection)
        flash = relaxed(selection.totals().flash, _FLASH_SHARE, _FLASH_BYTES)
    if mode is Mode.BALANCED and not free:
        smallest = selection.at_level(Mode.SIZE.kernel_level)
        _fill(smallest, Mode.SIZE, _limits(smallest, Mode.SIZE, None), _UNLIMITED)
        flash = relaxed(smallest.totals().flash, _FLASH_SHARE, _FLASH_BYTES)
    if mode in (Mode.RAM, Mode.BALANCED) and not free:
        _minimize_arena(selection)
        arena = relaxed(selection.totals().arena, _ARENA_SHARE, _ARENA_BYTES)
    return Limits(min(flash, flash_limit or _UNLIMITED), arena)


def _fill(selection: Selection, mode: Mode, limits: Limits, must: int) -> None:
    """From each extreme, spend what the limits allow; keep what ends best.

    Args:
        must: flash that the user allows, more important than limits that follow from the mode.
    """
    if mode is Mode.SPEED:
        selection.pick_fastest()
        if limits.allow(selection.totals()):
            return
    starts: tuple[Callable[[Selection], None], ...] = (_minimize_flash, _minimize_arena)
    ends = []
    for start in starts:
        start(selection)
        _spend(selection, limits, _WORTH.get(mode.value, 0.0))
        totals = selection.totals()
        over = max(totals.flash - limits.flash, 0) + max(totals.arena - limits.arena, 0)
        ends.append((max(totals.flash - must, 0), over, totals.instructions, selection.state()))
    selection.restore(min(ends)[3])


def _minimize_arena(selection: Selection) -> None:
    """Least arena: from the best of several starts, take moves while they save bytes."""
    states = []
    for start in (
        selection.pick_least_memory,
        selection.pick_portable,
        selection.pick_smallest,
        selection.pick_fastest,
    ):
        start()
        totals = selection.totals()
        states.append((totals.arena, totals.instructions, selection.state()))
    selection.restore(min(states)[2])
    while True:
        now = selection.totals()
        ranked = []
        for move in selection.moves():
            with selection.trial(move):
                totals = selection.totals()
            ranked.append((totals.arena, totals.instructions, move))
        arena, _, move = min(ranked, default=(now.arena, 0, ()))
        if arena >= now.arena:
            return
        selection.apply(move)


def _minimize_flash(selection: Selection) -> None:
    """Least flash: from each uniform start, take moves while they save bytes."""
    best: tuple[int, tuple[int, ...]] | None = None
    for start in (selection.pick_portable, selection.pick_smallest):
        start()
        _descend(selection)
        totals = selection.flash_and_instructions()
        if best is None or totals < (best[0], 0):
            best = (totals[0], selection.state())
    assert best is not None
    selection.restore(best[1])


def _descend(selection: Selection) -> None:
    """Take the move that saves most flash until none does."""
    while True:
        now = selection.flash_and_instructions()
        ranked = []
        for move in selection.moves():
            with selection.trial(move):
                ranked.append((selection.flash_and_instructions(), move))
        better = [r for r in ranked if r[0] < now]
        if not better:
            return
        selection.apply(min(better)[1])


def _spend(selection: Selection, limits: Limits, worth: float) -> None:
    """Buy speed while the limits allow it: the most instructions for a byte of flash first.

    Args:
        worth: the share of instructions that a share of flash must save.
    """
    while True:
        flash, instructions = selection.flash_and_instructions()
        ranked = []
        for move in selection.moves():
            with selection.trial(move):
                new_flash, new_instructions = selection.flash_and_instructions()
            saved, cost = instructions - new_instructions, new_flash - flash
            pays = saved > 0 and saved * flash >= worth * cost * instructions
            if pays and new_flash <= max(limits.flash, flash):
                ranked.append((saved / max(cost, 1) if cost > 0 else float("inf"), saved, move))
        arena = selection.totals().arena
        for _, _, move in sorted(ranked, reverse=True):
            with selection.trial(move) as trial:
                if limits.arena == _UNLIMITED or selection.totals().arena <= max(limits.arena, arena):
                    trial.keep()
            if trial.kept:
                break
        else:
            return
