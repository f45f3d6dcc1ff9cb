"""Does the firmware fit? If not, a table of what takes the space."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tinygen.board import Board, format_bytes, parse_bytes
from tinygen.build.sizes import Sizes
from tinygen.errors import BudgetError, OptionError

__all__ = ["TINYML_LIMIT_BYTES", "Budget", "Limits", "check_budget", "size_option", "usage_table"]

# What needs more is not TinyML: no board lifts this limit, only an explicit option does.
TINYML_LIMIT_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes of flash and RAM that the firmware may take."""

    flash_bytes: int
    ram_bytes: int

    @classmethod
    def of(cls, board: Board, flash: str | int | None = None, ram: str | int | None = None) -> Limits:
        """The board's memory, 1 MiB, or the user's limit: whichever is least.

        Raises:
            OptionError: a limit is not a size.
        """
        return cls(
            min(board.flash_bytes, TINYML_LIMIT_BYTES, size_option("--flash", flash, TINYML_LIMIT_BYTES)),
            min(board.ram_bytes, TINYML_LIMIT_BYTES, size_option("--ram", ram, TINYML_LIMIT_BYTES)),
        )


@dataclass(frozen=True, slots=True)
class Budget:
    """What the application needs and what it may have, in bytes; ``stack_bytes`` was measured."""

    flash_bytes: int
    flash_limit: int
    static_bytes: int
    arena_bytes: int
    stack_bytes: int
    ram_limit: int

    @property
    def ram_bytes(self) -> int:
        return self.static_bytes + self.arena_bytes + self.stack_bytes


def size_option(option: str, value: str | int | None, default: int) -> int:
    """A size that the user gave, such as ``64K``, or the default.

    Raises:
        OptionError: it is not a positive size.
    """
    if value is None:
        return default
    try:
        size = parse_bytes(value)
    except ValueError as error:
        raise OptionError(f"{option}: {error}") from error
    if size < 1:
        raise OptionError(f"{option}: {value} is not a positive size")
    return size


def check_budget(sizes: Sizes, limits: Limits, stack_bytes: int = 0) -> Budget:
    """Compare an image with its limits.

    Args:
        stack_bytes: high-water mark from the validation run; 0 before it, to stop early.

    Raises:
        BudgetError: flash or RAM is over its limit; the details are a table of what takes the space.
    """
    budget = Budget(
        flash_bytes=sizes.flash_bytes,
        flash_limit=limits.flash_bytes,
        static_bytes=sizes.static_bytes,
        arena_bytes=sizes.arena_bytes,
        stack_bytes=stack_bytes,
        ram_limit=limits.ram_bytes,
    )
    over = [
        f"{what} {format_bytes(used)} of {format_bytes(limit)} bytes, {format_bytes(used - limit)} too many"
        for what, used, limit in (
            ("flash", budget.flash_bytes, budget.flash_limit),
            ("RAM", budget.ram_bytes, budget.ram_limit),
        )
        if used > limit
    ]
    if over:
        raise BudgetError(
            f"the firmware does not fit: {'; '.join(over)}",
            details=usage_table(sizes, stack_bytes),
            hint="A smaller model, a compression recipe, or a board with more memory.",
        )
    return budget


def usage_table(sizes: Sizes, stack_bytes: int = 0, largest: int = 8) -> list[str]:
    """Who takes flash and RAM, one line each, and the largest symbols of both."""
    return [*_flash_lines(sizes, largest), *_ram_lines(sizes, stack_bytes, largest)]


def _line(name: str, count: int, note: str = "") -> str:
    return f"{name:<32} {format_bytes(count):>11}{'  ' + note if note else ''}"


def _flash_lines(sizes: Sizes, largest: int) -> Iterator[str]:
    yield _line("flash", sizes.flash_bytes)
    for part, count in sizes.flash_parts.items():
        if count:
            yield _line(f"  {part.replace('_', ' ')}", count)
    yield "  largest in flash:"
    for symbol in sizes.largest("flash", largest):
        yield _line(f"    {symbol.name}", symbol.bytes, symbol.part)


def _ram_lines(sizes: Sizes, stack_bytes: int, largest: int) -> Iterator[str]:
    yield _line("RAM", sizes.ram_bytes(stack_bytes))
    yield _line("  arena", sizes.arena_bytes)
    yield _line("  static data", sizes.static_bytes)
    yield _line("  stack", stack_bytes, "" if stack_bytes else "not measured yet")
    yield "  largest in RAM:"
    for symbol in sizes.largest("ram", largest):
        yield _line(f"    {symbol.name}", symbol.bytes, symbol.part)
