"""What tinygen knows of a board: frozen facts, read from its ``board.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from tinygen.board.consumption import Accelerator, Power

__all__ = [
    "Board",
    "Clock",
    "Cpu",
    "Emulator",
    "Placement",
    "Qemu",
    "Region",
    "Renode",
    "Settings",
    "Ticks",
    "TicksUnit",
    "Uart",
    "Unicorn",
    "Words",
]

Settings = Mapping[str, int]
TicksUnit = Literal["instructions", "cycles", "time"]


@dataclass(frozen=True, slots=True)
class Cpu:
    """The core.

    Attributes:
        core: the manufacturer's name, such as ``cortex-m4``.
        startup: folder of ``firmware/`` with the start-up code.
        toolchain: prefix of the compiler's name, such as ``arm-none-eabi``.
        flags: architecture options for compiler and linker.
        libraries: what the linker takes open references from: ``m``, ``c``, ``gcc``.
        features: what kernels may use: ``dsp``, ``fpu``, ``mve``.
        clock_hz: the core's clock after start-up.
    """

    core: str
    startup: str
    toolchain: str
    flags: tuple[str, ...]
    libraries: tuple[str, ...]
    features: frozenset[str]
    clock_hz: int

    @property
    def has_fpu(self) -> bool:
        return "fpu" in self.features


@dataclass(frozen=True, slots=True)
class Region:
    """A stretch of memory; ``wait_states`` are those of the flash at the board's clock."""

    name: str
    kind: Literal["flash", "ram"]
    origin: int
    bytes: int
    wait_states: int

    @property
    def end(self) -> int:
        """The first address behind the region."""
        return self.origin + self.bytes


@dataclass(frozen=True, slots=True)
class Placement:
    """Names of the regions for code, constants, static data and the stack.

    Constants lie with the code on nearly every chip; on those that see their flash at one address for
    instructions and at another for data, they have a region of their own.
    """

    code: str
    constants: str
    data: str
    stack: str


@dataclass(frozen=True, slots=True)
class Words:
    """What a chip wants to find at a fixed place of its flash, such as boot code or protection bits.

    It lies in the region of the code: at its start, before the vector table, or behind that.
    ``values`` are 32-bit words.
    """

    origin: int
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Clock:
    """Clock tree: driver in ``firmware/drivers/clock`` and its settings."""

    driver: str
    settings: Settings


@dataclass(frozen=True, slots=True)
class Uart:
    """The UART for reports: driver in ``firmware/drivers/uart``, bits a second, settings."""

    driver: str
    baud: int
    settings: Settings


@dataclass(frozen=True, slots=True)
class Ticks:
    """A counter to measure with: driver in ``firmware/drivers/ticks`` and its settings."""

    driver: str
    settings: Settings


@dataclass(frozen=True, slots=True)
class Qemu:
    """How QEMU knows the board.

    Attributes:
        program: name of the executable.
        machine: its ``-M``.
        serial: number of the serial port that the board's UART is.
        args: further options.
        ticks: what a tick means there under ``-icount shift=0``.
    """

    program: str
    machine: str
    serial: int
    args: tuple[str, ...]
    ticks: TicksUnit


@dataclass(frozen=True, slots=True)
class Renode:
    """How Renode knows the board.

    Attributes:
        platform: Renode's own description, by its path in Renode's tree; empty if it has none.
        overlay: text that is added to it, or all of the description; empty if nothing is.
        cpu, uart: full names of the peripherals.
        ticks: what a tick means there.
        mips: millions of instructions in a second of its virtual time (``PerformanceInMips``); 0 if not said.
    """

    platform: str
    overlay: str
    cpu: str
    uart: str
    ticks: TicksUnit
    mips: int


@dataclass(frozen=True, slots=True)
class Unicorn:
    """How Unicorn knows the board: ``cpu`` is its name for the core."""

    cpu: str


Emulator = Qemu | Renode | Unicorn


@dataclass(frozen=True, slots=True)
class Board:
    """A board as its file describes it; ``flash`` says what programs that flash it call it."""

    name: str
    title: str
    path: Path
    cpu: Cpu
    clock: Clock
    memory: tuple[Region, ...]
    words: tuple[Words, ...]
    placement: Placement
    uart: Uart
    ticks: tuple[Ticks, ...]
    qemu: Qemu | None
    renode: Renode | None
    power: Power | None = None
    accelerator: Accelerator | None = None
    unicorn: Unicorn | None = None
    flash: Mapping[str, str] = field(default_factory=dict)

    @property
    def emulators(self) -> Mapping[str, Emulator]:
        """The emulators that know the board, by name, the preferred one first."""
        known = {"qemu": self.qemu, "renode": self.renode, "unicorn": self.unicorn}
        return MappingProxyType({name: e for name, e in known.items() if e is not None})

    def region(self, name: str) -> Region:
        """The region with this name; it must exist."""
        return next(region for region in self.memory if region.name == name)

    @property
    def flash_bytes(self) -> int:
        """Size of the regions that code and constants are placed in."""
        return sum(self.region(name).bytes for name in {self.placement.code, self.placement.constants})

    @property
    def ram_bytes(self) -> int:
        """Size of the regions that data and stack are placed in."""
        return sum(self.region(name).bytes for name in {self.placement.data, self.placement.stack})
