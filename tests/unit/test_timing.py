"""Cycles of short runs of instructions, added up by hand from the cores' manuals."""

from __future__ import annotations

import pytest

from tinygen.board import load_board
from tinygen.emulate.thumb import Instruction, decode
from tinygen.emulate.timing import Core, Cycles, Flash, load_core
from tinygen.resources import BOARDS

LDR_R0_R1, LDR_R2_R3, LDR_R4_R0, STR_R0_R3 = 0x6808, 0x681A, 0x6804, 0x6018
ADDS_R1, SUBS_R1, MULS = 0x3104, 0x3901, 0x4341
LDM4, SMLAD = (0xE8B1, 0x003C), (0xFB21, 0x0302)
PUSH4, POP4, BNE = 0xB538, 0xBD38, 0xD1FE


def block(*code: int | tuple[int, int]) -> list[Instruction]:
    data = b"".join(
        half.to_bytes(2, "little") for word in code for half in (word if isinstance(word, tuple) else (word,))
    )
    instructions: list[Instruction] = []
    address = 0
    while address < len(data):
        instructions.append(decode(data, address, address))
        address = instructions[-1].end
    return instructions


def core(name: str) -> Core:
    known = load_core(name)
    assert known is not None
    return known


@pytest.mark.parametrize(
    ("code", "cycles"),
    [
        ((LDR_R0_R1,), 2),
        ((LDR_R0_R1, LDR_R2_R3), 3),  # DDI 0439, 3.3.2: "normally three cycles total"
        ((LDR_R0_R1, STR_R0_R3), 3),  # the same
        ((LDR_R0_R1, LDR_R4_R0), 4),  # the second one's address is what the first one loads
        ((ADDS_R1, LDR_R0_R1), 4),  # the address comes from data processing: a stall
        ((MULS, MULS), 2),
        ((PUSH4,), 5),
        ((LDM4,), 5),
        ((LDM4, LDM4, *[SMLAD] * 8), 18),  # the pointwise kernel's step: 16 MACs, 1.13 cycles each
        ((SUBS_R1, BNE), 2),  # not taken
    ],
    ids=str,
)
def test_cortex_m4(code: tuple[int | tuple[int, int], ...], cycles: float) -> None:
    assert core("cortex-m4").run(block(*code)).estimate == cycles


def test_taken_branches_of_the_cortex_m4() -> None:
    m4 = core("cortex-m4")
    narrow, wide = block(ADDS_R1, ADDS_R1)[1], block(ADDS_R1, SMLAD)[1]
    assert m4.jump(narrow) == Cycles(1, 2, 3)
    assert m4.jump(wide) == Cycles(1, 3, 3)  # a wide instruction that starts in the middle of a word


@pytest.mark.parametrize(
    ("name", "code", "cycles"),
    [
        ("cortex-m0", (LDR_R0_R1, LDR_R2_R3), 4),  # DDI 0432C, table 3-1: nothing overlaps
        ("cortex-m0", (PUSH4,), 5),
        ("cortex-m0+", (LDR_R0_R1,), 2),
        ("cortex-m3", (LDR_R0_R1, LDR_R2_R3), 3),
    ],
)
def test_other_cores(name: str, code: tuple[int, ...], cycles: float) -> None:
    assert core(name).run(block(*code)).estimate == cycles


@pytest.mark.parametrize(("name", "taken", "popped"), [("cortex-m0", 3, 8), ("cortex-m0+", 2, 7)])
def test_branches_of_the_smallest_cores(name: str, taken: float, popped: float) -> None:
    """B<cc> taken is 3 and 2 cycles, POP with the program counter 4+N and 3+N, where N counts it."""
    small = core(name)
    target = block(ADDS_R1)[0]
    assert (small.run(block(BNE)) + small.jump(target)).estimate == taken
    assert (small.run(block(POP4)) + small.jump(target)).estimate == popped


@pytest.mark.parametrize("path", sorted((BOARDS / "timing").glob("*.toml")), ids=lambda p: p.stem)
def test_every_table_is_whole(path: object) -> None:
    name = getattr(path, "stem", "")
    known = core(name)
    assert known.name == name
    assert known.basis in ("published", "scaled")
    assert (known.scale == Cycles(1, 1, 1)) == (known.basis == "published")


def test_unknown_core() -> None:
    assert load_core("z80") is None


def test_waiting_for_flash() -> None:
    flash = Flash(wait_states=5, line_bytes=16, code_lines=64, data_lines=8)
    word, four, literal = block(LDR_R0_R1)[0], block(LDM4)[0], block(0x4B09)[0]
    assert flash.load(word, 0.0) == Cycles()
    assert flash.load(word, 1.0) == Cycles(0, 1.25, 5)  # a stream: every fourth word opens a line
    assert flash.load(four, 1.0) == Cycles(0, 5, 10)  # 16 bytes lie in one line, or across two
    assert flash.load(four, None) == Cycles(0, 0, 10)
    assert flash.load(literal, 1.0) == Cycles(0, 5, 5)
    assert flash.fetch(2, 2) == Cycles(0, 15, 20)


def test_energy() -> None:
    power = load_board("stm32f4").power
    assert power is not None
    # 40 mA at 3.3 V for 10 ms; at half the clock, half the current for twice the time.
    assert power.millijoules(1_680_000, 168_000_000) == pytest.approx(1.32)
    assert power.millijoules(1_680_000, 84_000_000) == pytest.approx(1.32)
