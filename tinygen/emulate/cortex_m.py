"""The parts of a Cortex-M that Unicorn leaves out: exceptions, SysTick, cycle counter, the system control space.

Exceptions are entered and left by hand, as the Armv7-M Architecture Reference Manual (DDI 0403E) says in B1.5:
the firmware's own fault handler reports what went wrong, as it does on a chip.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace

import unicorn
from unicorn import Uc, UcError
from unicorn import arm_const as arm

__all__ = [
    "BUS_FAULT",
    "MEMORY_FAULT",
    "STACK_LIMIT_FAULT",
    "UNDEFINED_FAULT",
    "Core",
    "Counter",
    "Fault",
    "Lockup",
]

HARD, MEMORY, BUS, USAGE, SYSTICK = 3, 4, 5, 6, 15
EXC_RETURN = 0xFFFFFFF9  # to thread mode, main stack, no floating-point state
_IN_FRAME = (
    arm.UC_ARM_REG_R0,
    arm.UC_ARM_REG_R1,
    arm.UC_ARM_REG_R2,
    arm.UC_ARM_REG_R3,
    arm.UC_ARM_REG_R12,
    arm.UC_ARM_REG_LR,
)
_FRAME = struct.Struct("<8I")
_ALIGNED = 1 << 9  # in the stacked xPSR: four bytes were skipped
_THUMB = 1 << 24
# Addresses: DDI 0403E, B3.2.2 and B3.3.
_CSR, _RVR, _CVR = 0xE000E010, 0xE000E014, 0xE000E018
_VTOR, _CFSR, _HFSR, _MMFAR, _BFAR = 0xE000ED08, 0xE000ED28, 0xE000ED2C, 0xE000ED34, 0xE000ED38
_SHCSR, _MPU_TYPE, _MPU_CTRL, _MPU_RBAR, _MPU_RASR = 0xE000ED24, 0xE000ED90, 0xE000ED94, 0xE000ED9C, 0xE000EDA0
_CYCCNT = 0xE0001004
_FORCED = 1 << 30
_STACKING_FAILED = 1 << 4
_NEVER = float("inf")
_TAKES_INTERRUPTS = 3  # SysTick runs, and asks for its interrupt


class Lockup(Exception):
    """A fault while a fault was handled: the core stops for good."""


class Counter:
    """Counts instructions, a block at a time, and up to the instruction that asks.

    An instruction that its condition skips counts, as in QEMU under ``-icount``.

    Args:
        uncounted: addresses of a function whose instructions don't count: the first, and the one behind.
            Counting a block takes about a microsecond, and nobody times the painting of megabytes of stack.
    """

    def __init__(self, uc: Uc, uncounted: tuple[int, int]) -> None:
        self.alarm = _NEVER
        self._uc = uc
        self._total = 0  # before the block that runs
        self._block = (0, 0)
        self._starts: dict[tuple[int, int], tuple[int, ...]] = {(0, 0): ()}
        self._count = 0  # of the block that runs
        uc.hook_add(unicorn.UC_HOOK_BLOCK, self._enter, None, 0, max(uncounted[0] - 1, 0))
        uc.hook_add(unicorn.UC_HOOK_BLOCK, self._enter, None, uncounted[1], 0xFFFFFFFF)

    def now(self) -> int:
        """Instructions before the one at the program counter."""
        starts = self._starts[self._block]
        pc = self._uc.reg_read(arm.UC_ARM_REG_PC) & ~1
        return self._total + (starts.index(pc) if pc in starts else self._count)

    def _enter(self, uc: Uc, address: int, size: int, data: object) -> None:
        self._total += self._count
        self._block = block = (address, size)
        starts = self._starts.get(block)
        if starts is None:
            starts = self._starts[block] = self._instructions(address, size)
        self._count = len(starts)
        if self._total >= self.alarm:
            self._count = 0  # stopped here, it is entered again
            uc.emu_stop()

    def _instructions(self, address: int, size: int) -> tuple[int, ...]:
        """Where each instruction starts: one of 32 bits begins with 0b11101, 0b11110 or 0b11111 (DDI 0403E, A5.1)."""
        code = self._uc.mem_read(address, size)
        starts, at = [], 0
        while at < size:
            starts.append(address + at)
            at += 4 if code[at + 1] >> 3 >= 0b11101 else 2
        return tuple(starts)


@dataclass(frozen=True, slots=True)
class Fault:
    """An exception's number, the bits it sets in CFSR, and the address that it is about."""

    exception: int
    status: int
    address: int | None = None

    def at(self, address: int) -> Fault:
        return replace(self, address=address)


# DDI 0403E, B3.2.15; DDI 0553 for the stack limit.
MEMORY_FAULT = Fault(MEMORY, 1 << 1)
BUS_FAULT = Fault(BUS, 1 << 9)
UNDEFINED_FAULT = Fault(USAGE, 1 << 16)
STACK_LIMIT_FAULT = Fault(USAGE, 1 << 20)


@dataclass(slots=True)
class Core:
    """Registers and exceptions of one core.

    Attributes:
        vectors: where the vector table lies until VTOR says otherwise.
        plain_faults: Armv6-M, where every fault is a HardFault and no register tells more.
        guard: what the MPU forbids: first address and the one behind.
    """

    uc: Uc
    counter: Counter
    vectors: int
    plain_faults: bool
    guard: tuple[int, int] = (0, 0)
    _registers: dict[int, int] = field(default_factory=dict)
    _systick_start: int = 0
    _systick_due: float = field(default_factory=lambda: _NEVER)
    _active: list[int] = field(default_factory=list)
    _entered: int = 0  # when the exception that is handled began
    _spent: int = 0  # instructions of SysTick's handler so far

    def read(self, address: int) -> int:
        """A register of the private peripheral bus."""
        if address == _CYCCNT:
            return self.count() & 0xFFFFFFFF
        if address == _CVR:
            return self._systick()
        if address == _MPU_TYPE:
            return 0 if self.plain_faults else 8 << 8
        return self._registers.get(address, 0)

    def write(self, address: int, value: int) -> None:
        self._registers[address] = value
        if address in (_CVR, _CSR, _RVR):
            self._start_systick()
        elif address == _VTOR:
            self.vectors = value
        elif address in (_MPU_CTRL, _MPU_RASR, _MPU_RBAR):
            self._set_guard()

    def count(self) -> int:
        """What counters count: instructions, without those of SysTick's own interrupt."""
        now = self.counter.now()
        return now - self._spent - (now - self._entered if self._active == [SYSTICK] else 0)

    def enter(self, fault: Fault) -> None:
        """Take an exception at the program counter.

        Raises:
            Lockup: another one is being handled, or its handler is unknown.
        """
        if self._active and self._active[-1] in (HARD, MEMORY, BUS, USAGE):
            raise Lockup(f"a fault in the fault handler, at 0x{self.uc.reg_read(arm.UC_ARM_REG_PC):08x}")
        status, number = fault.status, fault.exception
        if not self._push_frame():
            status, number = status | _STACKING_FAILED, MEMORY
        if number in (MEMORY, BUS, USAGE) and (self.plain_faults or not self._enabled(number)):
            number = HARD
            self._registers[_HFSR] = _FORCED
        self._record(status, fault)
        self._active.append(number)
        self._entered = self.counter.now()
        self.uc.reg_write(arm.UC_ARM_REG_LR, EXC_RETURN)
        self.uc.reg_write(arm.UC_ARM_REG_IPSR, number)
        handler = struct.unpack("<I", self.uc.mem_read(self.vectors + 4 * number, 4))[0]
        self.uc.reg_write(arm.UC_ARM_REG_PC, handler | 1)

    def systick_due(self) -> bool:
        return not self._active and self.count() >= self._systick_due

    def enter_systick(self) -> None:
        """Take SysTick's interrupt, and set the next one."""
        self._systick_due += self._period()
        self.enter(Fault(SYSTICK, 0))
        self._set_alarm()

    def leave(self) -> None:
        """Return from an exception, after a jump to ``EXC_RETURN``."""
        now = self.counter.now()
        self._spent += now - self._entered if self._active.pop() == SYSTICK else 0
        sp = self.uc.reg_read(arm.UC_ARM_REG_SP)
        *values, pc, xpsr = _FRAME.unpack(self.uc.mem_read(sp, _FRAME.size))
        for register, value in zip(_IN_FRAME, values, strict=True):
            self.uc.reg_write(register, value)
        self.uc.reg_write(arm.UC_ARM_REG_SP, sp + _FRAME.size + (4 if xpsr & _ALIGNED else 0))
        self.uc.reg_write(arm.UC_ARM_REG_XPSR, xpsr & ~_ALIGNED)
        self.uc.reg_write(arm.UC_ARM_REG_PC, pc | 1)
        self._set_alarm()

    def _period(self) -> int:
        return self._registers.get(_RVR, 0) + 1

    def _systick(self) -> int:
        """Counts down from the reload value; stands at 0 until its interrupt, which may be late, is taken."""
        count = self.count()
        if not self._registers.get(_CSR, 0) & 1 or count >= self._systick_due:
            return 0
        return self._registers.get(_RVR, 0) - (count - self._systick_start) % self._period()

    def _start_systick(self) -> None:
        runs = self._registers.get(_CSR, 0) & _TAKES_INTERRUPTS == _TAKES_INTERRUPTS
        self._systick_start = self.count()
        self._systick_due = self._systick_start + self._period() if runs else _NEVER
        self._set_alarm()

    def _set_alarm(self) -> None:
        """When the counter has to stop; it also counts what SysTick doesn't."""
        self.counter.alarm = _NEVER if self._active else self._systick_due + self._spent

    def _set_guard(self) -> None:
        """The one region that start-up forbids; the MPU's other abilities are not modelled."""
        size = self._registers.get(_MPU_RASR, 0)
        enabled = self._registers.get(_MPU_CTRL, 0) & size & 1
        base = self._registers.get(_MPU_RBAR, 0) & ~0x1F
        self.guard = (base, base + (2 << ((size >> 1) & 0x1F))) if enabled else (0, 0)

    def _push_frame(self) -> bool:
        """Save the interrupted state on the stack; false if there is no room for it."""
        read = self.uc.reg_read
        pc = read(arm.UC_ARM_REG_PC) & ~1
        sp = read(arm.UC_ARM_REG_SP)
        xpsr = read(arm.UC_ARM_REG_XPSR) | _THUMB | (_ALIGNED if sp & 4 else 0)
        frame = (sp - _FRAME.size) & ~7
        self.uc.reg_write(arm.UC_ARM_REG_SP, frame)
        if self.guard[0] < frame + _FRAME.size and frame < self.guard[1]:
            return False
        try:
            self.uc.mem_write(frame, _FRAME.pack(*(read(register) for register in _IN_FRAME), pc, xpsr))
        except UcError:
            return False
        return True

    def _enabled(self, number: int) -> bool:
        return bool(self._registers.get(_SHCSR, 0) & 1 << (12 + number))  # MEMFAULTENA is bit 16

    def _record(self, status: int, fault: Fault) -> None:
        if self.plain_faults or not status:
            return
        valid = {MEMORY: (1 << 7, _MMFAR), BUS: (1 << 15, _BFAR)}.get(fault.exception)
        if valid is not None and fault.address is not None:
            status |= valid[0]
            self._registers[valid[1]] = fault.address
        self._registers[_CFSR] = self._registers.get(_CFSR, 0) | status
