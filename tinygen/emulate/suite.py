"""A Robot Framework suite beside the evidence of a build: the same for QEMU and Renode."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence

from tinygen.board import Board
from tinygen.emulate.qemu import qemu_command
from tinygen.ir import ModelInterface
from tinygen.resources import FIRMWARE, environment

__all__ = ["suite_files"]

# They travel with each suite, so that it runs where tinygen is not.
_SHARED = ("tinygen.resource", "TinygenLibrary.py")
_SCHEMA = 1


def suite_files(
    board: Board, model: ModelInterface, elf: str, expected: Sequence[Sequence[bytes]]
) -> Mapping[str, str]:
    """The suite, its keywords, and what they must know of the firmware, by file name.

    Args:
        elf: the validation image, seen from the folder that these files will lie in.
        expected: outputs of each vector that the image carries.
    """
    name = f"{model.name}.robot"
    facts = {
        "schema": _SCHEMA,
        "name": model.name,
        "board": board.name,
        "elf": elf,
        "qemu": qemu_command(board.qemu, board.qemu.program, elf) if board.qemu else None,
        "renode": {"script": f"{model.name}.resc", "uart": board.renode.uart} if board.renode else None,
        "expected": [_output_line(i, k, data) for i, outputs in enumerate(expected) for k, data in enumerate(outputs)],
    }
    suite = environment().get_template("emulation/suite.robot.j2").render(board=board, model=model, name=name)
    shared = {file: (FIRMWARE / "robot" / file).read_text(encoding="utf-8") for file in _SHARED}
    return {name: suite, "run.json": json.dumps(facts, indent=2) + "\n", **shared}


def _output_line(index: int, tensor: int, data: bytes) -> str:
    return f"TG out {index} {tensor} {data.hex()} crc={zlib.crc32(data):08x}"
