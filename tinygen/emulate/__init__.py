"""Running firmware on virtual boards, and reading what it answers."""

from tinygen.emulate.evidence import write_emulation
from tinygen.emulate.qemu import QemuEmulator
from tinygen.emulate.renode import RenodeEmulator, renode_files
from tinygen.emulate.runner import Emulator, LayerResult, RunResult, VectorResult, run_vectors
from tinygen.emulate.serial_port import SerialBoard
from tinygen.emulate.unicorn import UnicornEmulator
from tinygen.emulate.vectors import ALL_OPS, Batch, write_batch

__all__ = [
    "ALL_OPS",
    "Batch",
    "Emulator",
    "LayerResult",
    "QemuEmulator",
    "RenodeEmulator",
    "RunResult",
    "SerialBoard",
    "UnicornEmulator",
    "VectorResult",
    "renode_files",
    "run_vectors",
    "write_batch",
    "write_emulation",
]
