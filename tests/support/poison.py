"""Runs generated C with a probe that spoils all memory that nobody needs, and watches over the rest.

After each operator the arena holds bytes that someone will still read and bytes that nobody will: the first
must be what they were, unless this operator wrote them; the others get a pattern. Which is which follows
from the addresses alone (``memory_check``), not from the planner's lifetimes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from support.host_runner import HostModel
from support.memory_check import Mask, live_bytes, written_ranges
from tinygen.ir import Call

__all__ = ["PoisonedModel"]

PATTERNS = (0x80, 0x7F, 0xA5)  # int8's limits, and something between
LIVE, KEPT = 1, 2

_PROBE = """\
#include <stdint.h>
#include <string.h>
#define TG_PROBE(op, tensor, data, bytes) probe(op, m_arena)
static void probe(int op, uint8_t *arena);
#include "m.c"
static uint8_t before[sizeof m_arena];
static int step, inference;
{states}
static const uint8_t patterns[] = {{{patterns}}};
static void begin(void) {{
    memcpy(before, m_arena, sizeof m_arena);
    step = 0;
    inference++;
}}
static void probe(int op, uint8_t *arena) {{
    const uint8_t *state = states[step++];
    for (uint32_t i = 0; i < sizeof m_arena; i++) {{
        if ((state[i] & {kept}) != 0 && arena[i] != before[i]) {{
            fprintf(stderr, "op %d changed byte %u, which is not its own\\n", op, (unsigned)i);
            exit(4);
        }}
        if ((state[i] & {live}) == 0) {{
            arena[i] = patterns[inference % (int)sizeof patterns];
        }}
    }}
    memcpy(before, arena, sizeof m_arena);
}}
"""


class PoisonedModel(HostModel):
    """A model that doesn't survive a mistake in its memory plan."""

    sources = ("src/m_weights.c", "driver.c")  # the driver includes the model, to see its arena

    def _driver(self, model: str = "", before: str = "") -> str:
        rows = [",".join(map(str, state)) for state in self._states()]
        arena = max(self.compiled.memory.arena_bytes, 1)
        table = "".join(f"{{{row}}},\n" for row in rows) or "{0}"
        probe = _PROBE.format(
            states=f"static const uint8_t states[][{arena}] = {{\n{table}}};",
            patterns=", ".join(map(str, PATTERNS)),
            live=LIVE,
            kept=KEPT,
        )
        return super()._driver(model=f"#include <stdlib.h>\n{probe}", before="        begin();")

    def _states(self) -> Iterator[np.ndarray]:
        """For each probe, what each byte of the arena is: LIVE from now on, KEPT since the probe before."""
        steps = self.compiled.program.steps
        after = live_bytes(self.compiled)
        last_of_op = {step.op: i for i, step in enumerate(steps) if isinstance(step, Call)}
        untouched: Mask = np.ones(self.compiled.memory.arena_bytes, bool)
        for position, step in enumerate(steps):
            if not isinstance(step, Call):
                continue
            for _, memory in written_ranges(self.compiled, step):
                untouched[memory] = False
            if last_of_op[step.op] == position:
                live = after[position]
                yield live * LIVE + (live & untouched) * KEPT
                untouched = np.ones_like(untouched)
