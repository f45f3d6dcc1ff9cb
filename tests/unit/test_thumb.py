"""The classes of Thumb instructions: encodings by hand, and the assembler's where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tinygen.emulate.thumb import CONTROL, Instruction, decode

GCC = "arm-none-eabi-gcc"
ADDRESS = 0x0800_0100


def at(*halfwords: int, address: int = ADDRESS) -> Instruction:
    code = b"".join(word.to_bytes(2, "little") for word in halfwords)
    return decode(code, 0, address)


@pytest.mark.parametrize(
    ("halfwords", "expected"),
    [
        ((0x2000,), Instruction(ADDRESS, 2, "alu", writes=(0,))),  # movs r0, #0
        ((0x4281,), Instruction(ADDRESS, 2, "alu")),  # cmp r1, r0
        ((0x4341,), Instruction(ADDRESS, 2, "mul", writes=(1,))),  # muls r1, r0
        ((0x4770,), Instruction(ADDRESS, 2, "branch_register", base=14)),  # bx lr
        ((0x4B09,), Instruction(ADDRESS, 2, "load_literal", bytes=4, base=15, writes=(3,))),  # ldr r3, [pc, #36]
        ((0x6818,), Instruction(ADDRESS, 2, "load", bytes=4, base=3, writes=(0,))),  # ldr r0, [r3]
        ((0x5C81,), Instruction(ADDRESS, 2, "load", bytes=1, base=0, index=2, writes=(1,))),  # ldrb r1, [r0, r2]
        ((0x6018,), Instruction(ADDRESS, 2, "store", bytes=4, base=3)),  # str r0, [r3]
        ((0xB538,), Instruction(ADDRESS, 2, "store_multiple", count=4, bytes=16, base=13)),  # push {r3-r5, lr}
        ((0xBD38,), Instruction(ADDRESS, 2, "pop_pc", 4, 16, 13, writes=(3, 4, 5))),  # pop {r3-r5, pc}
        ((0xD1FE,), Instruction(ADDRESS, 2, "branch_conditional", target=ADDRESS)),  # bne .
        ((0xE7FE,), Instruction(ADDRESS, 2, "branch", target=ADDRESS)),  # b .
        ((0xBF08,), Instruction(ADDRESS, 2, "it")),  # it eq
        ((0xBF00,), Instruction(ADDRESS, 2, "nop")),
        ((0xF000, 0xF808), Instruction(ADDRESS, 4, "branch_link", target=ADDRESS + 20)),  # bl .+20
        ((0xFB21, 0x0302), Instruction(ADDRESS, 4, "dsp", writes=(3,))),  # smlad r3, r1, r2, r0
        ((0xFB91, 0xF0F2), Instruction(ADDRESS, 4, "div", writes=(0,))),  # sdiv r0, r1, r2
        ((0xE8B1, 0x003C), Instruction(ADDRESS, 4, "load_multiple", 4, 16, 1, writes=(2, 3, 4, 5))),  # ldm r1!, {r2-r5}
        ((0xE9D0, 0x1202), Instruction(ADDRESS, 4, "load_dual", 2, 8, 0, writes=(1, 2))),  # ldrd r1, r2, [r0, #8]
    ],
    ids=lambda value: "-".join(f"{v:04x}" for v in value) if isinstance(value, tuple) else "",
)
def test_encodings(halfwords: tuple[int, ...], expected: Instruction) -> None:
    assert at(*halfwords) == expected


def test_wide_instructions_that_straddle_words() -> None:
    assert at(0xFB21, 0x0302, address=ADDRESS + 2).is_wide_and_unaligned
    assert not at(0xFB21, 0x0302).is_wide_and_unaligned


# What the timing tables tell apart, as the assembler writes it.
SOURCE = """
    mla r0, r1, r2, r3          @ mla
    mls r0, r1, r2, r3          @ mla
    mul r0, r1, r2              @ mul
    smull r0, r1, r2, r3        @ mull
    umull r0, r1, r2, r3        @ mull
    smlal r0, r1, r2, r3        @ mlal
    umlal r0, r1, r2, r3        @ mlal
    smlald r0, r1, r2, r3       @ dsp
    smlabb r0, r1, r2, r3       @ dsp
    smmla r0, r1, r2, r3        @ dsp
    smmulr r0, r1, r2           @ dsp
    udiv r0, r1, r2             @ div
    sxtb16 r0, r1               @ alu
    ssat r0, #8, r1, asr #3     @ alu
    sadd16 r0, r1, r2           @ alu
    ubfx r0, r1, #3, #5         @ alu
    movw r0, #1234              @ alu
    add.w r0, r1, r2, lsl #2    @ alu
    ldr.w r0, [r1], #4          @ load
    ldrsh.w r0, [r1, r2, lsl #1] @ load
    ldr.w r8, [pc, #16]         @ load_literal
    ldr.w pc, [r1, r2, lsl #2]  @ load_pc
    str.w r0, [r1, #-4]         @ store
    strd r0, r1, [r2], #8       @ store_dual
    stmdb sp!, {r4-r11, lr}     @ store_multiple
    ldmia.w sp!, {r4-r11, pc}   @ pop_pc
    ldmia r1!, {r2, r3}         @ load_multiple
    tbb [pc, r0]                @ branch_table
    tbh [pc, r0, lsl #1]        @ branch_table
    blx r3                      @ branch_register
    mov pc, r3                  @ branch_register
    cbz r0, next                @ branch_conditional
    beq.w next                  @ branch_conditional
next:
    b.w next                    @ branch
    mrs r0, primask             @ system
    dsb                         @ system
    svc #1                      @ system
    nop.w                       @ nop
    vldr s0, [r0]               @ load
    vldr s0, [pc, #8]           @ load_literal
    vstr s0, [r0]               @ store
    vldmia r0!, {s0-s3}         @ load_multiple
    vpush {s16-s19}             @ store_multiple
    vadd.f32 s0, s1, s2         @ float
    vmul.f32 s0, s1, s2         @ float
    vfma.f32 s0, s1, s2         @ float_mac
    vmla.f32 s0, s1, s2         @ float_mac
    vdiv.f32 s0, s1, s2         @ float_div
    vsqrt.f32 s0, s1            @ float_div
    vcvt.f32.s32 s0, s1         @ float
    vmov s0, r0                 @ float
"""


@pytest.mark.skipif(shutil.which(GCC) is None, reason=f"{GCC} is not installed")
def test_assembled(tmp_path: Path) -> None:
    source = tmp_path / "kinds.s"
    source.write_text(".syntax unified\n.thumb\n.text\n" + SOURCE)
    flags = ("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard")
    subprocess.run([GCC, *flags, "-c", source, "-o", tmp_path / "kinds.o"], check=True)
    with (tmp_path / "kinds.o").open("rb") as stream:
        code = ELFFile(stream).get_section_by_name(".text").data()
    address = 0
    for line in SOURCE.splitlines():
        text, _, kind = line.partition("@")
        if not kind:
            continue
        instruction = decode(code, address, address)
        assert instruction.kind == kind.strip(), text
        assert (instruction.kind in CONTROL) == instruction.kind.startswith(("branch", "load_pc", "pop_pc"))
        address = instruction.end
    assert len(code) - address < 4
