"""One run of a validation image, followed line by line until it ends, well or badly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from elftools.elf.elffile import ELFFile

from tinygen.emulate import tg
from tinygen.emulate.vectors import Batch
from tinygen.errors import MismatchError, ToolError
from tinygen.ir import ModelInterface

__all__ = ["LayerResult", "Session", "VectorResult"]

LAST_LINES = 8


@dataclass(frozen=True, slots=True)
class LayerResult:
    """What one operator took and wrote, from a profile image.

    Attributes:
        op, tensor: their numbers in the model file.
        ticks: without those of the probe.
        crc: CRC-32 of the tensor.
        data: the whole tensor, if it was asked for.
    """

    op: int
    tensor: int
    ticks: int
    crc: int
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class VectorResult:
    """What the board answered to one vector: outputs in the model's order, and ticks."""

    index: int
    outputs: tuple[bytes, ...]
    ticks: int
    layers: tuple[LayerResult, ...] = ()


@dataclass(slots=True)
class _Pending:
    """The vector whose lines are coming in."""

    outputs: list[bytes] = field(default_factory=list)
    layers: list[LayerResult] = field(default_factory=list)
    data: dict[int, bytearray] = field(default_factory=dict)


class Session:
    """Checks the order and the contents of TG lines against what was asked for.

    Feed it lines until ``finished``. Runs that end otherwise are named by ``explain_timeout`` and
    ``explain_death``. ``events`` counts TG lines: while it grows, the board is alive.

    Args:
        model: names and sizes of the outputs to expect.
        batch: the vectors that the image carries.
        elf: the image, to name functions in fault reports.
    """

    def __init__(self, model: ModelInterface, batch: Batch, elf: Path) -> None:
        self.model = model
        self._batch = batch
        self._elf = elf
        self._pending = _Pending()
        self._hello = False
        self.events = 0
        self.finished = False
        self.cancelled = False
        self.lines: list[str] = []
        self.info: dict[str, str] = {}
        self.vectors: list[VectorResult] = []
        self.stack_bytes = 0

    def feed(self, line: str) -> None:
        """Take the next line.

        Raises:
            MismatchError: the firmware reported a fault.
            ToolError: the line breaks the protocol, or belongs to another firmware.
        """
        self.lines.append(line)
        try:
            event = tg.parse_line(line)
            if event is not None:
                self.events += 1
                self._take(event)
        except tg.ProtocolError as error:
            raise ToolError(
                f"the board's UART broke the protocol: {error.message}",
                details=self.tail(),
                hint="The line may be disturbed, or the image is not from this tinygen.",
            ) from error

    def raise_if_cancelled(self) -> None:
        """End a run that nobody waits for any more.

        Raises:
            ToolError: ``cancelled`` was set, because another run failed or the user stops.
        """
        if self.cancelled:
            raise ToolError("the run was cancelled", details=self.tail())

    def tail(self) -> list[str]:
        """The last lines of the UART, for messages."""
        return [f"uart: {line}" for line in self.lines[-LAST_LINES:]] or ["uart: nothing"]

    def explain_timeout(self, seconds: float) -> MismatchError | ToolError:
        """Why a run did not end within its time."""
        if not self._hello:
            return ToolError(
                f"the board's UART stayed silent for {seconds:g} s: no TG hello",
                details=self.tail(),
                hint="The image did not start, or its UART is not the one that is listened to.",
            )
        done, count = len(self.vectors), len(self._batch.vectors)
        what = "before the first vector" if not done else f"after {done} of {count} vectors"
        return MismatchError(
            f"the firmware hangs: nothing came for {seconds:g} s, {what}",
            details=self.tail(),
            hint="If the model is only slow, give it more time.",
        )

    def explain_death(self, what: str, output: Sequence[str]) -> MismatchError | ToolError:
        """Why a run ended before the firmware said so; ``what`` names the emulator and its status."""
        if any("Lockup" in line for line in output):
            return MismatchError(
                "the core locked up: it faulted, and could not even report that",
                details=[*output[:1], *self.tail()],
                hint="Most likely the stack overflowed: this core has no guard for it, or no room to say so.",
            )
        return ToolError(f"{what} before the firmware was done", details=[*output[-LAST_LINES:], *self.tail()])

    def _take(self, event: tg.Event) -> None:
        if isinstance(event, tg.Fault):
            raise self._fault(event)
        if isinstance(event, tg.Hello):
            self._greet(event)
            return
        if not self._hello:
            raise tg.ProtocolError(f"{type(event).__name__.lower()} before TG hello")
        match event:
            case tg.Info():
                self.info.update(event.fields)
            case tg.Layer():
                self._expect_index(event.index)
                self._pending.layers.append(LayerResult(event.op, event.tensor, event.ticks, event.crc))
            case tg.Data():
                self._add_data(event)
            case tg.Output():
                self._add_output(event)
            case tg.Ticks():
                self._finish_vector(event)
            case tg.Stack():
                self.stack_bytes = event.bytes
            case tg.Done():
                self._finish(event)

    def _greet(self, hello: tg.Hello) -> None:
        if self._hello:
            raise tg.ProtocolError("a second TG hello: the board started again")
        if hello.abi != tg.ABI:
            raise ToolError(
                f"the firmware speaks version {hello.abi} of the TG protocol, this tinygen version {tg.ABI}",
                hint="Build the firmware again.",
            )
        if hello.name != self.model.name:
            raise ToolError(f"the board runs {hello.name!r}, not {self.model.name!r}", hint="Flash this firmware.")
        if hello.vectors != len(self._batch.vectors):
            raise tg.ProtocolError(f"{hello.vectors} vectors announced, {len(self._batch.vectors)} given")
        self._hello = True

    def _expect_index(self, index: int) -> None:
        expected = self._batch.first_index + len(self.vectors)
        if index != expected:
            raise tg.ProtocolError(f"a line of vector {index} while vector {expected} runs")

    def _add_data(self, event: tg.Data) -> None:
        self._expect_index(event.index)
        data = self._pending.data.setdefault(event.op, bytearray())
        if event.offset != len(data):
            raise tg.ProtocolError(f"data of op {event.op} from byte {event.offset}, but {len(data)} came before")
        data += event.data

    def _add_output(self, event: tg.Output) -> None:
        self._expect_index(event.index)
        outputs = self._pending.outputs
        if event.tensor != len(outputs) or event.tensor >= len(self.model.outputs):
            raise tg.ProtocolError(f"output {event.tensor} where output {len(outputs)} was due")
        wanted = self.model.outputs[event.tensor].bytes
        if len(event.data) != wanted:
            raise tg.ProtocolError(f"output {event.tensor} has {len(event.data)} bytes instead of {wanted}")
        outputs.append(event.data)

    def _finish_vector(self, event: tg.Ticks) -> None:
        self._expect_index(event.index)
        pending, self._pending = self._pending, _Pending()
        if len(pending.outputs) != len(self.model.outputs):
            raise tg.ProtocolError(f"vector {event.index} ended after {len(pending.outputs)} outputs")
        self.vectors.append(VectorResult(event.index, tuple(pending.outputs), event.ticks, tuple(_with_data(pending))))

    def _finish(self, event: tg.Done) -> None:
        if event.vectors != len(self._batch.vectors) or len(self.vectors) != event.vectors:
            raise tg.ProtocolError(f"done after {event.vectors}, with {len(self.vectors)} vectors received")
        if not self.stack_bytes:
            raise tg.ProtocolError("done without TG stack")
        self.finished = True

    def _fault(self, fault: tg.Fault) -> MismatchError:
        place = self._function_at(fault.fields.get("pc", 0))
        caller = self._function_at(fault.fields.get("lr", 0))
        where = f" in {place}" if place else f" near {caller}" if caller else ""
        where += f", called from {caller}" if place and caller and caller != place else ""
        messages = {
            "stack": f"the stack overflowed{where}",
            "init": "the model's init() failed",
            "invoke": "the model's invoke() failed",
            "vectors": "the image's test vectors are damaged",
        }
        what = messages.get(fault.kind, f"the firmware faulted ({fault.kind} fault){where}")
        values = ", ".join(f"{name}=0x{value:08x}" for name, value in fault.fields.items())
        after = (
            f" after {len(self.vectors)} of {len(self._batch.vectors)} vectors" if self._hello else " while starting"
        )
        return MismatchError(f"{what}{after}: {values}", details=self.tail())

    def _function_at(self, address: int) -> str:
        """The function that an address lies in, by the image's symbols; empty if in none."""
        with self._elf.open("rb") as stream:
            table = ELFFile(stream).get_section_by_name(".symtab")
            for symbol in table.iter_symbols() if table and address else ():
                start = symbol["st_value"] & ~1
                if symbol["st_info"]["type"] == "STT_FUNC" and start <= address & ~1 < start + symbol["st_size"]:
                    return f"{symbol.name}()"
        return ""


def _with_data(pending: _Pending) -> list[LayerResult]:
    """Layers together with their data, which follows each layer's line."""
    return [replace(s, data=bytes(pending.data[s.op])) if s.op in pending.data else s for s in pending.layers]
