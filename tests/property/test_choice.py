"""The choice of forms: every mode is exact, and keeps the promise of its name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.chain_networks import draw_network
from support.host_runner import assert_exact

from tinygen.forms import Choice, Mode, Target, choose
from tinygen.forms.selection import options_of
from tinygen.ir import Program
from tinygen.load.tflite import read_graph
from tinygen.lower import lower

DSP = Target(dsp=True)
GRAPHS = 12


def network(number: int) -> bytes:
    return draw_network(np.random.default_rng([404, number]))


def choices(number: int) -> dict[Mode, Choice]:
    program = lower(read_graph(network(number), source="test", name="test"), source="test")
    return {mode: choose(program, DSP, mode) for mode in Mode}


@pytest.mark.parametrize("mode", Mode, ids=lambda m: m.value)
@pytest.mark.parametrize("number", range(GRAPHS))
def test_every_mode_equals_the_reference(number: int, mode: Mode, tmp_path: Path) -> None:
    """On the host, where the portable twins of the DSP kernels read the same packed weights."""

    def transform(program: Program) -> Program:
        return choose(program, DSP, mode).program

    assert_exact(network(number), tmp_path, seed=number, transform=transform)


@pytest.mark.parametrize("number", range(20))
def test_modes_keep_their_promise(number: int) -> None:
    by_mode = choices(number)
    totals = {mode: choice.totals for mode, choice in by_mode.items()}
    assert all(totals[Mode.SPEED].instructions <= t.instructions for t in totals.values())
    smallest = min(t.flash for t in totals.values())
    assert totals[Mode.SIZE].flash <= max(1.02 * smallest, smallest + 1400)
    least = min(t.arena for t in totals.values())
    assert totals[Mode.RAM].arena <= max(1.05 * least, least + 64)
    balanced = totals[Mode.BALANCED]
    assert balanced.instructions <= max(totals[Mode.SIZE].instructions, totals[Mode.RAM].instructions)


def test_a_flash_limit_costs_as_little_speed_as_possible() -> None:
    program = lower(read_graph(network(3), source="test", name="test"), source="test")
    free = choose(program, DSP, Mode.SPEED).totals
    smallest = choose(program, DSP, Mode.SPEED, flash_limit=1).totals  # as near as it gets
    limit = (free.flash + smallest.flash) // 2
    limited = choose(program, DSP, Mode.SPEED, flash_limit=limit).totals
    assert limited.flash <= limit
    assert free.instructions <= limited.instructions <= smallest.instructions


def test_without_dsp_nothing_asks_for_it() -> None:
    program = lower(read_graph(network(1), source="test", name="test"), source="test")
    for candidates in options_of(program, Target()).values():
        assert {c.form for c in candidates} <= {"portable", "portable+channels", "winograd", "int8", "table"}


def test_the_choice_repeats() -> None:
    assert [c.forms for c in choices(5).values()] == [c.forms for c in choices(5).values()]
