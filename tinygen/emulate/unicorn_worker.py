"""Runs an image in Unicorn, with the UART on standard output: ``python -m tinygen.emulate.unicorn_worker BOARD ELF``.

A process of its own: it can be killed when time is up, and several run side by side. Unicorn executes
instructions and knows memory; everything else is in ``tinygen/board/unicorn.py`` and ``cortex_m.py``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import unicorn
from elftools.elf.elffile import ELFFile
from unicorn import Uc, UcError
from unicorn import arm_const as arm

from tinygen.board import Board, load_board
from tinygen.board.unicorn import Model, models_of
from tinygen.emulate.cortex_m import (
    BUS_FAULT,
    MEMORY_FAULT,
    STACK_LIMIT_FAULT,
    UNDEFINED_FAULT,
    Core,
    Counter,
    Fault,
    Lockup,
)

__all__ = ["Machine"]

PAGE_BYTES = 4096
# Peripherals of the chip and of the core, in the architecture's memory map (DDI 0403E, B3.1).
CHIP, CORE = (0x40000000, 0x20000000), (0xE0000000, 0x00100000)
LOCKUP_STATUS = 134
# Unicorn's numbers of exceptions are QEMU's (target/arm/cpu.h).
_EXCEPTION_EXIT, _STACK_LIMIT = 8, 19
_FOREVER = 0xFFFFFFFF


class Machine:
    """A board with an image in its memory.

    Args:
        send: called with each byte that leaves on the UART.
    """

    def __init__(self, board: Board, elf: Path, send: Callable[[int], None]) -> None:
        assert board.unicorn is not None
        self._send = send
        self._uc = Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self._uc.ctl_set_cpu_model(getattr(arm, board.unicorn.cpu))
        self._entry, vectors, painter = self._load(board, elf)
        self._counter = Counter(self._uc, painter)
        self.core = Core(self._uc, self._counter, vectors, plain_faults=board.cpu.core.startswith("cortex-m0"))
        self._reads: dict[int, Callable[[], int]] = {}
        self._writes: dict[int, Callable[[int], None]] = {}
        for model in models_of(board):
            self._install(model)
        self._fault: Fault | None = None
        self._interrupt = 0
        self._guard_hook: int | None = None
        self._uc.mmio_map(*CHIP, self._on_read, None, self._on_write, None)
        self._uc.mmio_map(*CORE, self._on_core_read, None, self._on_core_write, None)
        self._uc.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._on_bad_access)
        self._uc.hook_add(unicorn.UC_HOOK_INTR, self._on_interrupt)

    def run(self) -> None:
        """Run until the firmware halts.

        Raises:
            Lockup: a fault that nobody can handle.
        """
        self._uc.reg_write(arm.UC_ARM_REG_PC, self._entry)
        going = True
        while going:
            self._fault, self._interrupt = None, 0
            try:
                self._uc.emu_start(self._uc.reg_read(arm.UC_ARM_REG_PC) | 1, _FOREVER)
            except UcError:
                self._fault = self._fault or UNDEFINED_FAULT
            going = self._go_on()

    def _go_on(self) -> bool:
        """What made Unicorn stop: an exception, or the firmware's last WFI (false)."""
        if self._fault is not None:
            self.core.enter(self._fault)
        elif self._interrupt == _EXCEPTION_EXIT:
            self.core.leave()
        elif self._interrupt == _STACK_LIMIT:
            self.core.enter(STACK_LIMIT_FAULT)
        elif self._interrupt:
            self.core.enter(UNDEFINED_FAULT)
        elif self.core.systick_due():
            self.core.enter_systick()
        else:
            return False
        return True

    def _load(self, board: Board, elf: Path) -> tuple[int, int, tuple[int, int]]:
        """Map the board's memory and fill it; returns entry point, vector table and the stack's painter."""
        for region in board.memory:
            start, end = region.origin // PAGE_BYTES * PAGE_BYTES, -(-region.end // PAGE_BYTES) * PAGE_BYTES
            flash = unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC
            self._uc.mem_map(start, end - start, flash if region.kind == "flash" else unicorn.UC_PROT_ALL)
        with elf.open("rb") as stream:
            image = ELFFile(stream)
            for segment in image.iter_segments():
                if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]:
                    self._uc.mem_write(segment["p_paddr"], segment.data())
            symbols = image.get_section_by_name(".symtab")
            (table,) = symbols.get_symbol_by_name("tg_vector_table")
            painter = 0, 0
            for symbol in symbols.get_symbol_by_name("tg_stack_call") or ():  # an application has none
                painter = symbol["st_value"] & ~1, (symbol["st_value"] & ~1) + symbol["st_size"]
            return image["e_entry"], table["st_value"], painter

    def _install(self, model: Model) -> None:
        address, value = model.address, model.value
        match model.kind:
            case "send":
                self._writes[address] = self._send
            case "send_from":
                sources: list[int] = [0]
                self._writes[address] = lambda written: sources.__setitem__(0, written)
                self._writes[value] = lambda written: self._send(self._uc.mem_read(sources[0], 1)[0])
            case "read":
                self._reads[address] = lambda: value
            case "count":
                self._reads[address] = self.core.count
            case "count_down":
                self._reads[address] = lambda: ~self.core.count()

    def _on_read(self, uc: Uc, offset: int, size: int, data: object) -> int:
        reader = self._reads.get(CHIP[0] + offset)
        return reader() & 0xFFFFFFFF if reader is not None else 0

    def _on_write(self, uc: Uc, offset: int, size: int, value: int, data: object) -> None:
        writer = self._writes.get(CHIP[0] + offset)
        if writer is not None:
            writer(value)

    def _on_core_read(self, uc: Uc, offset: int, size: int, data: object) -> int:
        return self.core.read(CORE[0] + offset)

    def _on_core_write(self, uc: Uc, offset: int, size: int, value: int, data: object) -> None:
        guard = self.core.guard
        self.core.write(CORE[0] + offset, value)
        if self.core.guard != guard:
            self._watch(*self.core.guard)

    def _watch(self, start: int, end: int) -> None:
        """Make every access to the stack's guard a fault."""
        if self._guard_hook is not None:
            self._uc.hook_del(self._guard_hook)
            self._guard_hook = None
        if start < end:
            kinds = unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE
            self._guard_hook = self._uc.hook_add(kinds, self._on_guard, None, start, end - 1)

    def _on_guard(self, uc: Uc, access: int, address: int, size: int, value: int, data: object) -> None:
        self._fault = self._fault or MEMORY_FAULT.at(address)
        uc.emu_stop()

    def _on_bad_access(self, uc: Uc, access: int, address: int, size: int, value: int, data: object) -> bool:
        self._fault = BUS_FAULT.at(address)
        return False

    def _on_interrupt(self, uc: Uc, number: int, data: object) -> None:
        self._interrupt = number
        uc.emu_stop()


def main() -> int:
    """Run what the command line names; the status is 0 when the firmware halted."""
    line = bytearray()

    def send(value: int) -> None:
        line.append(value & 0xFF)
        if value & 0xFF == ord("\n"):
            os.write(1, line)
            line.clear()

    machine = Machine(load_board(sys.argv[1]), Path(sys.argv[2]), send)
    try:
        machine.run()
    except Lockup as error:
        print(f"lockup: {error}", file=sys.stderr)
        return LOCKUP_STATUS
    finally:
        os.write(1, line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
