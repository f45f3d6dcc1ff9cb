"""Sources rendered from a board's facts: linker script, settings header, tick table; and the model's glue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tinygen.board import Board, Settings
from tinygen.ir import ModelInterface
from tinygen.resources import environment

__all__ = ["GUARD_BYTES", "LEAST_STACK_BYTES", "linker_script", "rendered_sources"]

# The start-up code sets MPU or PMP up for exactly this size, which must be a power of two.
GUARD_BYTES = 256
# Fault handler and start-up need about 200 bytes; a model that needs more says so in the stack's measurement.
LEAST_STACK_BYTES = 1024


@dataclass(frozen=True, slots=True)
class _Setting:
    macro: str
    literal: str


def linker_script(board: Board, *, vectors: bool) -> str:
    """The linker script of an image.

    Args:
        vectors: add the section for test vectors, the last one in flash.
    """
    template = environment().get_template("firmware/link.ld.j2")
    return template.render(
        board=board,
        place=board.placement,
        code_origin=board.region(board.placement.code).origin,
        constants_segment="code" if board.placement.constants == board.placement.code else "constants",
        vectors=vectors,
        guard_bytes=GUARD_BYTES,
        least_stack_bytes=LEAST_STACK_BYTES,
    )


def rendered_sources(board: Board, model: ModelInterface) -> Mapping[str, str]:
    """Sources that depend on board and model, by file name."""
    views = {"board": board, "model": model, "settings": tuple(_settings(board))}
    templates = {
        "tg_board.h": "firmware/board.h.j2",
        "board_ticks.c": "firmware/board_ticks.c.j2",
        "model_glue.c": "firmware/model_glue.c.j2",
    }
    return {name: environment().get_template(template).render(views) for name, template in templates.items()}


def _settings(board: Board) -> Iterator[_Setting]:
    yield _Setting("TG_UART_BAUD", f"{board.uart.baud}u")
    yield from _macros("TG_CLOCK", board.clock.settings)
    yield from _macros("TG_UART", board.uart.settings)
    for ticks in board.ticks:
        yield from _macros(f"TG_TICKS_{ticks.driver.upper()}", ticks.settings)


def _macros(prefix: str, settings: Settings) -> Iterator[_Setting]:
    for key, value in settings.items():
        literal = f"{value:#x}u" if value >= 1 << 16 and value % 1000 else f"{value}u"
        yield _Setting(f"{prefix}_{key.upper()}", literal)
