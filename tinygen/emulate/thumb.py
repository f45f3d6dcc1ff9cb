"""What a Thumb instruction is, as far as its time depends on it: length, class, registers, target.

This is no disassembler. It follows the encoding tables of the Armv7-M Architecture Reference Manual
(DDI 0403E, chapter A5) just as far as the timing tables of the cores tell instructions apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["CONTROL", "LOADS", "PC", "Instruction", "Kind", "decode"]

Kind = Literal[
    "alu",
    "mul",
    "mla",
    "mull",
    "mlal",
    "dsp",
    "div",
    "load",
    "load_literal",
    "load_dual",
    "load_multiple",
    "store",
    "store_dual",
    "store_multiple",
    "branch",
    "branch_conditional",
    "branch_link",
    "branch_register",
    "branch_table",
    "load_pc",
    "pop_pc",
    "it",
    "nop",
    "system",
    "float",
    "float_mac",
    "float_div",
]
# What ends a straight run of instructions.
CONTROL = frozenset(
    (
        "branch",
        "branch_conditional",
        "branch_link",
        "branch_register",
        "branch_table",
        "load_pc",
        "pop_pc",
    )
)
LOADS = frozenset(("load", "load_literal", "load_dual", "load_multiple", "load_pc", "pop_pc"))
SP, PC = 13, 15


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction.

    Attributes:
        address: of its first halfword.
        size: bytes, 2 or 4.
        kind: its class.
        count: registers that it loads or stores; 1 where that has no meaning.
        bytes: that it loads or stores.
        base: register that the address comes from, 15 for literals; ``None`` if it addresses nothing.
        index: register that is added to it.
        writes: registers that get a value other than an address moved on by a few bytes.
        target: of a branch whose destination the instruction says.
    """

    address: int
    size: int
    kind: Kind
    count: int = 1
    bytes: int = 0
    base: int | None = None
    index: int | None = None
    writes: tuple[int, ...] = ()
    target: int | None = None

    @property
    def end(self) -> int:
        """The address behind it."""
        return self.address + self.size

    @property
    def is_wide_and_unaligned(self) -> bool:
        """Whether fetching it takes two words."""
        return self.size == 4 and self.address % 4 != 0


def decode(code: bytes, offset: int, address: int) -> Instruction:
    """The instruction at ``offset`` of ``code``, which lies at ``address``; zeros are read behind the end."""
    first = int.from_bytes(code[offset : offset + 2], "little")
    if first >> 11 < 0b11101:
        return _narrow(first, address)
    return _wide(first, int.from_bytes(code[offset + 2 : offset + 4], "little"), address)


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def _registers(mask: int) -> tuple[int, ...]:
    return tuple(i for i in range(16) if mask >> i & 1)


def _narrow(op: int, address: int) -> Instruction:
    """DDI 0403E, A5.2."""

    def of(kind: Kind, **facts: int | tuple[int, ...] | None) -> Instruction:
        return Instruction(address, 2, kind, **facts)  # type: ignore[arg-type]

    low, middle = op & 7, op >> 3 & 7
    top = op >> 12
    if op >> 13 == 0b000:
        return of("alu", writes=(low,))
    if op >> 13 == 0b001:
        return of("alu", writes=() if op >> 11 & 3 == 1 else (op >> 8 & 7,))
    if op >> 10 == 0b010000:
        kind: Kind = "mul" if op >> 6 & 15 == 13 else "alu"
        return of(kind, writes=() if op >> 6 & 15 in (8, 10, 11) else (low,))
    if op >> 10 == 0b010001:
        return _high_registers(op, address)
    if op >> 11 == 0b01001:
        return of("load_literal", bytes=4, base=PC, writes=(op >> 8 & 7,))
    if top == 0b0101:
        kind, size = _REGISTER_OFFSET[op >> 9 & 7]
        return of(kind, bytes=size, base=middle, index=op >> 6 & 7, writes=(low,) if kind == "load" else ())
    if op >> 13 == 0b011 or top in (0b1000, 0b1001):
        load = op >> 11 & 1
        base = (SP, op >> 8 & 7) if top == 0b1001 else (middle, low)
        size = {0b0110: 4, 0b0111: 1, 0b1000: 2, 0b1001: 4}[top]
        return of("load" if load else "store", bytes=size, base=base[0], writes=(base[1],) if load else ())
    if top == 0b1010:
        return of("alu", writes=(op >> 8 & 7,))
    if top == 0b1011:
        return _miscellaneous(op, address)
    if top == 0b1100:
        registers = _registers(op & 0xFF)
        load = op >> 11 & 1
        kind = "load_multiple" if load else "store_multiple"
        base_register = op >> 8 & 7
        written = tuple(r for r in registers if r != base_register) if load else ()
        return of(kind, count=len(registers), bytes=4 * len(registers), base=base_register, writes=written)
    if top == 0b1101:
        if op >> 8 & 15 >= 14:
            return of("system")
        return of("branch_conditional", target=address + 4 + 2 * _signed(op & 0xFF, 8))
    return of("branch", target=address + 4 + 2 * _signed(op & 0x7FF, 11))


_REGISTER_OFFSET: tuple[tuple[Kind, int], ...] = (
    ("store", 4),
    ("store", 2),
    ("store", 1),
    ("load", 1),
    ("load", 4),
    ("load", 2),
    ("load", 1),
    ("load", 2),
)


def _high_registers(op: int, address: int) -> Instruction:
    """ADD, CMP, MOV on all registers; BX and BLX."""
    action = op >> 8 & 3
    if action == 3:
        return Instruction(address, 2, "branch_register", base=op >> 3 & 15)
    register = op & 7 | op >> 4 & 8
    if action == 1:
        return Instruction(address, 2, "alu")
    if register == PC:
        return Instruction(address, 2, "branch_register")
    return Instruction(address, 2, "alu", writes=(register,))


def _miscellaneous(op: int, address: int) -> Instruction:
    """DDI 0403E, A5.2.5."""
    group = op >> 8 & 15
    if group in (1, 3, 9, 11):
        distance = (op >> 3 & 31) + 32 * (op >> 9 & 1)
        return Instruction(address, 2, "branch_conditional", target=address + 4 + 2 * distance)
    if group in (4, 5):
        count = (op & 0x1FF).bit_count()
        return Instruction(address, 2, "store_multiple", count=count, bytes=4 * count, base=SP)
    if group in (12, 13):
        registers = _registers(op & 0xFF)
        count = len(registers) + (op >> 8 & 1)
        kind: Kind = "pop_pc" if op >> 8 & 1 else "load_multiple"
        return Instruction(address, 2, kind, count=count, bytes=4 * count, base=SP, writes=registers)
    if group == 15:
        return Instruction(address, 2, "it" if op & 15 else "nop")
    if group in (2, 10):
        return Instruction(address, 2, "alu", writes=(op & 7,))
    return Instruction(address, 2, "alu" if group == 0 else "system")


def _wide(first: int, second: int, address: int) -> Instruction:
    """DDI 0403E, A5.3."""
    op1, op2 = first >> 11 & 3, first >> 4 & 0x7F
    if op1 == 0b01:
        if op2 & 0x64 == 0x00:
            return _wide_multiple(first, second, address)
        if op2 & 0x64 == 0x04:
            return _wide_dual(first, second, address)
        if op2 & 0x60 == 0x20:
            return _data_processing(second, address)
        return _coprocessor(first, second, address)
    if op1 == 0b10:
        return _branches(first, second, address) if second >> 15 else _data_processing(second, address)
    if op2 & 0x40:
        return _coprocessor(first, second, address)
    if op2 & 0x60 == 0x00:
        return _wide_single(first, second, address)
    return _multiplies(first, second, address)


def _wide_multiple(first: int, second: int, address: int) -> Instruction:
    registers = _registers(second)
    base, load = first & 15, first >> 4 & 1
    if not load:
        return Instruction(address, 4, "store_multiple", len(registers), 4 * len(registers), base)
    kind: Kind = "pop_pc" if PC in registers else "load_multiple"
    written = tuple(r for r in registers if r not in (PC, base))
    return Instruction(address, 4, kind, len(registers), 4 * len(registers), base, writes=written)


def _wide_dual(first: int, second: int, address: int) -> Instruction:
    """LDRD and STRD, table branches, exclusives."""
    base = first & 15
    if first & 0xFFF0 == 0xE8D0 and second & 0xF0 in (0x00, 0x10):
        return Instruction(address, 4, "branch_table", bytes=1 + (second >> 4 & 1), base=base, index=second & 15)
    registers = (second >> 12, second >> 8 & 15)
    if first & 0x0120:  # P or W: a real pair, exclusives have neither
        if first >> 4 & 1:
            return Instruction(address, 4, "load_dual", 2, 8, base, writes=registers)
        return Instruction(address, 4, "store_dual", 2, 8, base)
    if first >> 4 & 1:
        return Instruction(address, 4, "load", 1, 4, base, writes=registers[:1])
    return Instruction(address, 4, "store", 1, 4, base, writes=registers[1:])


def _data_processing(second: int, address: int) -> Instruction:
    """With a shifted register, or an immediate; a compare's destination is 15 and says nothing."""
    register = second >> 8 & 15
    return Instruction(address, 4, "alu", writes=() if register == PC else (register,))


def _branches(first: int, second: int, address: int) -> Instruction:
    """Branches and miscellaneous control (A5.3.4)."""
    sign = first >> 10 & 1
    if second >> 12 & 5 == 0:
        if first >> 7 & 7 != 7:
            bits = sign << 19 | (second >> 11 & 1) << 18 | (second >> 13 & 1) << 17 | (first & 0x3F) << 11
            target = address + 4 + 2 * _signed(bits | second & 0x7FF, 20)
            return Instruction(address, 4, "branch_conditional", target=target)
        hint = first & 0xFFF0 == 0xF3A0 and second & 0x07FF == 0
        return Instruction(address, 4, "nop" if hint else "system")
    i1, i2 = 1 ^ (second >> 13 & 1) ^ sign, 1 ^ (second >> 11 & 1) ^ sign
    bits = sign << 23 | i1 << 22 | i2 << 21 | (first & 0x3FF) << 11 | second & 0x7FF
    kind: Kind = "branch_link" if second >> 14 & 1 else "branch"
    return Instruction(address, 4, kind, target=address + 4 + 2 * _signed(bits, 24))


def _wide_single(first: int, second: int, address: int) -> Instruction:
    """One byte, halfword or word (A5.3.7 to A5.3.10)."""
    base, register = first & 15, second >> 12
    size = 1 << (first >> 5 & 3)
    index = second & 15 if not first >> 7 & 1 and second >> 6 & 0x3F == 0 and base != PC else None
    if not first >> 4 & 1:
        return Instruction(address, 4, "store", 1, size, base, index)
    if register == PC:
        if size != 4:
            return Instruction(address, 4, "nop")  # PLD, PLI
        return Instruction(address, 4, "load_pc", 1, size, base, index)
    return Instruction(address, 4, "load_literal" if base == PC else "load", 1, size, base, index, (register,))


def _multiplies(first: int, second: int, address: int) -> Instruction:
    """Data processing with registers, multiplies and divisions (A5.3.11 to A5.3.17)."""
    high, low, accumulator = second >> 8 & 15, second >> 12, second >> 12
    group, action = first >> 7 & 3, first >> 4 & 7
    if group < 2:  # shifts, extensions, parallel additions, saturation, CLZ …
        return Instruction(address, 4, "alu", writes=(high,))
    if group == 2:
        if action:
            return Instruction(address, 4, "dsp", writes=(high,))
        return Instruction(address, 4, "mul" if accumulator == PC else "mla", writes=(high,))
    if action in (1, 3):
        return Instruction(address, 4, "div", writes=(high,))
    plain = action in (0, 2)
    if action >= 4 and second >> 4 & 15:
        return Instruction(address, 4, "dsp", writes=(low, high))
    return Instruction(address, 4, "mull" if plain else "mlal", writes=(low, high))


def _coprocessor(first: int, second: int, address: int) -> Instruction:
    """The floating-point unit (A6); anything else of a coprocessor counts as an instruction of it."""
    base, load = first & 15, first >> 4 & 1
    if first >> 9 & 7 == 0b110:
        if first & 0x0120:  # VLDR, VSTR, VLDM, VSTM
            count = 1 + (second >> 8 & 1) if first >> 8 & 1 and not first >> 5 & 1 else second & 0xFF
            single = first >> 8 & 1 and not first >> 5 & 1 and count == 1
            literal = bool(single and load and base == PC)
            kinds: tuple[Kind, Kind] = ("load", "store") if single else ("load_multiple", "store_multiple")
            return Instruction(
                address, 4, "load_literal" if literal else kinds[0 if load else 1], count, 4 * count, base
            )
        if first >> 7 & 1:
            kind: Kind = "load_multiple" if load else "store_multiple"
            return Instruction(address, 4, kind, second & 0xFF, 4 * (second & 0xFF), base)
        return Instruction(address, 4, "float", 2, writes=(second >> 12, base) if load else ())
    if second >> 4 & 1:  # between a core register and the unit
        return Instruction(address, 4, "float", writes=(second >> 12,) if load and second >> 12 != PC else ())
    opcode = first >> 4 & 0b1011
    if opcode == 0b1000 or (opcode == 0b1011 and base == 1 and second >> 6 & 3 == 3):
        return Instruction(address, 4, "float_div")
    if opcode in (0b0000, 0b0001, 0b1001, 0b1010):
        return Instruction(address, 4, "float_mac")
    return Instruction(address, 4, "float")
