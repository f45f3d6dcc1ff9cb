"""What a board file says for estimates of time and energy: ``[power]`` and ``[accelerator]``."""

from __future__ import annotations

from dataclasses import dataclass

from tinygen.board.table import Table

__all__ = ["Accelerator", "Power", "read_accelerator", "read_power"]


@dataclass(frozen=True, slots=True)
class Power:
    """The chip's consumption while it computes, from its datasheet.

    Attributes:
        run_current_ua: microamperes of the whole chip, typical.
        voltage_mv: millivolts that they are drawn at.
        clock_hz: the core's clock at which they were measured.
        condition: what runs, from where, and what is switched off.
        source: document and table.
    """

    run_current_ua: int
    voltage_mv: int
    clock_hz: int
    condition: str
    source: str

    def millijoules(self, cycles: float, clock_hz: int) -> float:
        """Energy of so many cycles at a clock; the current is taken to be proportional to it."""
        watts = self.run_current_ua * 1e-6 * self.voltage_mv * 1e-3 * clock_hz / self.clock_hz
        return 1e3 * watts * cycles / clock_hz


@dataclass(frozen=True, slots=True)
class Accelerator:
    """The buffers between flash and core.

    Attributes:
        line_bytes: one access to the flash's array.
        code_lines, data_lines: lines kept for instructions and for data.
    """

    line_bytes: int
    code_lines: int
    data_lines: int


def read_power(table: Table | None) -> Power | None:
    """From the table ``[power]``."""
    if table is None:
        return None
    return Power(
        run_current_ua=table.integer("run_current_ua", 1, 10_000_000),
        voltage_mv=table.integer("voltage_mv", 500, 6_000),
        clock_hz=table.integer("clock_hz", 1),
        condition=table.text("condition"),
        source=table.text("source"),
    )


def read_accelerator(table: Table | None) -> Accelerator | None:
    """From the table ``[accelerator]``."""
    if table is None:
        return None
    return Accelerator(
        line_bytes=table.integer("line_bytes", 4, 1024),
        code_lines=table.integer("code_lines", 0, 65536),
        data_lines=table.integer("data_lines", 0, 65536),
    )
