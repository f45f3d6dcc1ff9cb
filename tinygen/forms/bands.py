"""Two layers at a time, some rows after the other, so that the tensor between them never exists as a whole.

The first layer computes the rows that the second needs for its next ones, and the second computes these.
Rows that it needs once more move to the front of the band. Both layers stay what they are: the same kernels,
called once for each band, with structs of their own for the first, the inner and the last ones. The arena
then holds the second layer's output, which may follow the first layer's input closely, and a band.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tinygen.forms.channel_codes import SUFFIX
from tinygen.forms.choose import Choice
from tinygen.forms.form import Candidate, Target, forms_for
from tinygen.forms.rows import Rows, band_params, rows_of
from tinygen.forms.selection import Totals
from tinygen.ir import SCRATCH, Call, Graph, Program, Step, View
from tinygen.lower.layout import loop_table
from tinygen.plan import ALIGNMENT, buffers_of, place
from tinygen.plan.search import lower_bound

__all__ = ["in_bands", "pairs", "with_bands"]

# Rows of the second layer's output in a band; more of them take fewer calls.
BAND_ROWS = (8, 4, 2, 1)
# The share of the arena that a pair must save to be worth its calls.
WORTH = 1 / 16
# Flash and instructions of a call more, with its share of structs.
CALL_BYTES = 28
CALL_INSTRUCTIONS = 80


def with_bands(choice: Choice, lowered: Program, target: Target, *, flash_limit: int | None = None) -> Choice:
    """Compute pairs of layers in bands where that makes the arena smaller by more than it costs.

    Args:
        lowered: the program that the forms were chosen for.
        flash_limit: bytes for constants and kernels together.
    """
    while (better := _best(choice, lowered, target)) is not None:
        if flash_limit is not None and better.totals.flash > flash_limit:
            break
        choice = better
    return choice


def _best(choice: Choice, lowered: Program, target: Target) -> Choice | None:
    """The choice with one more pair in bands, the one that saves most; ``None`` if none is worth it."""
    limit = int(_arena_bytes(choice.program) * (1 - WORTH))
    likely = []
    for first, second in pairs(choice.program):
        layers = [_Layer.of(call, choice, lowered, target) for call in (first, second)]
        for rows in BAND_ROWS:
            schedule = _schedule(layers[0].rows, layers[1].rows, rows) if layers[0] and layers[1] else None
            if schedule is not None:
                program = _replaced(choice.program, first, second, _whole(first, second, schedule, ()))
                arena = _arena_bytes(program, limit)  # without the scratch memory of the calls themselves
                likely.append((arena, -rows, first, second))
    for arena, rows, first, second in sorted(likely, key=lambda found: found[:2]):
        banded = in_bands(choice, lowered, target, first, second, -rows) if arena <= limit else None
        if banded is not None and banded.totals.arena <= limit and _pays(choice.totals, banded.totals):
            return banded
    return None


def _pays(before: Totals, after: Totals) -> bool:
    """Whether the arena shrinks by more than the calls take of flash."""
    return before.arena - after.arena > after.flash - before.flash


def pairs(program: Program) -> Iterator[tuple[Call, Call]]:
    """Neighbouring calls, the second of which alone reads what the first one writes."""
    for first, second in zip(program.steps, program.steps[1:], strict=False):
        if not (isinstance(first, Call) and isinstance(second, Call)) or _banded(first) or _banded(second):
            continue
        between = first.outputs[0].tensor
        users = [s for s in program.steps if between in _mentioned(s)]
        if second.inputs == (View(between),) and len(users) == 2 and between not in program.graph.outputs:
            yield first, second


def _banded(call: Call) -> bool:
    return any(part.op != call.op for part in call.parts)


def _mentioned(step: Step) -> tuple[int, ...]:
    if isinstance(step, Call):
        return tuple(v.tensor for v in (*step.inputs, *step.outputs))
    return step.source, step.target


def in_bands(
    choice: Choice, lowered: Program, target: Target, first: Call, second: Call, band_rows: int
) -> Choice | None:
    """The choice with two of its calls replaced by one; ``None`` if a form can't compute some rows alone.

    Args:
        band_rows: rows of the second call's output in a band.
    """
    producer, consumer = (_Layer.of(call, choice, lowered, target) for call in (first, second))
    if producer is None or consumer is None:
        return None
    schedule = _schedule(producer.rows, consumer.rows, band_rows)
    parts = None if schedule is None else _parts(producer, consumer, schedule)
    if schedule is None or parts is None:
        return None
    program = _replaced(choice.program, first, second, _whole(first, second, schedule, parts))
    calls, totals = len(parts) - 2, choice.totals
    flash = CALL_BYTES * calls + producer.unpacked_bytes(first) + consumer.unpacked_bytes(second)
    return replace(
        choice,
        program=program,
        forms={**choice.forms, first.op: producer.form, second.op: consumer.form},
        reasons={
            **choice.reasons,
            first.op: f"in bands of rows, together with operator {second.op}",
            second.op: f"{band_rows} row{'s' * (band_rows > 1)} at a time, together with operator {first.op}",
        },
        totals=Totals(totals.flash + flash, _arena_bytes(program), totals.instructions + CALL_INSTRUCTIONS * calls),
    )


def _arena_bytes(program: Program, limit: int | None = None) -> int:
    """An arena that is enough; above ``limit``, any number that is."""
    buffers, leads = buffers_of(program)
    bound = lower_bound(buffers, leads)
    return bound if limit is not None and bound > limit else place(buffers, leads, exact=False).bytes


def _whole(first: Call, second: Call, schedule: _Schedule, parts: Sequence[Call]) -> Call:
    """The call that stands for two."""
    own = max((part.scratch_bytes for part in parts), default=0)
    return replace(
        second,
        kernel=f"{first.kernel}+{second.kernel}",
        inputs=first.inputs,
        params={},
        scratch_bytes=schedule.band_bytes + own,
        lead={0: schedule.lead},
        input_alignment=1,
        parts=tuple(parts),
    )


def _replaced(program: Program, first: Call, second: Call, call: Call) -> Program:
    return Program(program.graph, tuple(call if s is second else s for s in program.steps if s is not first))


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """A layer that can compute some of its rows alone, in the form that was chosen for it.

    Its channels' constants are not packed: they would be unpacked for every band.
    """

    call: Call
    rows: Rows
    form: str
    graph: Graph
    target: Target

    @classmethod
    def of(cls, call: Call, choice: Choice, lowered: Program, target: Target) -> _Layer | None:
        portable = [c for c in lowered.calls if c.op == call.op]
        form = choice.forms[call.op].removesuffix(SUFFIX)
        if len(portable) != 1 or "+" in form:  # weights that are decoded would be so for every band
            return None
        rows = rows_of(portable[0], lowered.graph)
        return None if rows is None else cls(portable[0], rows, form, lowered.graph, target)

    def unpacked_bytes(self, call: Call) -> int:
        """Flash that the call in its chosen form saves by packing."""
        plain = self.band(0, self.rows.outputs, call.inputs[0], call.outputs[0])
        if plain is None or not call.parts:
            return 0
        return Candidate("", (plain,), 0).flash_bytes - Candidate("", (call,), 0).flash_bytes

    def band(self, first: int, end: int, source: View, target: View) -> Call | None:
        """Output rows from ``first`` to before ``end``; ``source`` begins with the first row that they read."""
        portable = replace(self.call, params=band_params(self.call, self.rows, first, end))
        fitting = [portable]
        if self.form != "portable":
            ways = (f.candidates(portable, self.graph, self.target) for f in forms_for(portable.kernel))
            fitting = [c.calls[0] for way in ways for c in way if c.form == self.form and len(c.calls) == 1]
        if not fitting or fitting[0].input_alignment > 1:
            return None
        return replace(fitting[0], inputs=(source,), outputs=(target,), lead={})


@dataclass(frozen=True, slots=True)
class _Band:
    """Rows of the tensor between in one band, and what is done with them.

    Attributes:
        begin, fresh, stop: the first row of the band, the first that is made for it, the first behind it.
        kept, moved: rows that are there already, and by how many rows they move to the front.
        first, end: rows of the output.
    """

    begin: int
    fresh: int
    stop: int
    kept: int
    moved: int
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class _Schedule:
    """All bands of a pair; ``band_bytes`` hold the largest, ``lead`` is the pair's ``Call.lead``."""

    bands: tuple[_Band, ...]
    band_bytes: int
    lead: int


def _schedule(made: Rows, used: Rows, band_rows: int) -> _Schedule | None:
    """Bands of ``band_rows`` output rows; ``None`` if they would be one, or move over themselves."""
    bands: list[_Band] = []
    held = ready = 0  # the first row that lies in the band; the first one that was not made yet
    for first in range(0, used.outputs, band_rows):
        end = min(first + band_rows, used.outputs)
        begin, stop = used.first(first), used.end(end)
        fresh, kept = max(ready, begin), max(ready - begin, 0)
        if fresh >= stop or 0 < begin - held < kept:
            return None
        bands.append(_Band(begin, fresh, stop, kept, begin - held if kept else 0, first, end))
        held, ready = begin, stop
    if len(bands) < 2:
        return None
    # Once a band is written, the next one still reads the input from its own first row on.
    needed = [made.first(band.fresh) * made.input_bytes for band in bands[1:]] + [made.inputs * made.input_bytes]
    lead = max(band.end * used.output_bytes - n for band, n in zip(bands, needed, strict=True))
    size = max(band.stop - band.begin for band in bands) * used.input_bytes
    return _Schedule(tuple(bands), -(-size // ALIGNMENT) * ALIGNMENT, max(lead, 0))


def _parts(producer: _Layer, consumer: _Layer, schedule: _Schedule) -> tuple[Call, ...] | None:
    """The calls of all bands; ``None`` if a form doesn't exist for one of them."""
    made, used = producer.rows, consumer.rows
    source, target = producer.call.inputs[0], consumer.call.outputs[0]
    row = used.input_bytes
    parts: list[Call] = []
    for band in schedule.bands:
        if band.moved:
            parts.append(_move(consumer.call.op, band.moved * row, band.kept * row))
        read = View(source.tensor, source.offset + made.first(band.fresh) * made.input_bytes)
        make = producer.band(band.fresh, band.stop, read, View(SCRATCH, band.kept * row))
        write = View(target.tensor, target.offset + band.first * used.output_bytes)
        use = consumer.band(band.first, band.end, View(SCRATCH), write)
        if make is None or use is None:
            return None
        parts += [make, use]
    return tuple(replace(part, scratch_offset=schedule.band_bytes) for part in parts)


def _move(op: int, offset: int, size: int) -> Call:
    """Rows to the front of the band."""
    return Call(
        op=op,
        kernel="tg_copy_blocks",
        header="move/tg_move.h",
        sources=("move/tg_copy_blocks.c",),
        inputs=(View(SCRATCH, offset),),
        outputs=(View(SCRATCH),),
        params={"block": size, "loops": 1, "loop": loop_table("loop", [1], [0], [0])},
    )
