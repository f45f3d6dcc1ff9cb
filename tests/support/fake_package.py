"""A hand-made model package for firmware tests: its output is its input reversed.

It has the shape of a generated one, without needing a model, and it can be told to misbehave.
"""

from __future__ import annotations

from pathlib import Path

from tinygen.ir import DType, ModelInterface, Port

INPUT_BYTES = 24

HEADER = """\
#ifndef FAKE_H
#define FAKE_H
#include <stdint.h>
#define FAKE_ARENA_BYTES 64
#define FAKE_INPUT_COUNT 1
#define FAKE_OUTPUT_COUNT 1
#define FAKE_INPUT_0_BYTES 24
#define FAKE_OUTPUT_0_BYTES 24
int fake_init(void);
int fake_invoke(void);
int8_t *fake_input_0(void);
const int8_t *fake_output_0(void);
#endif
"""

MODEL = """\
#include "fake.h"
#include "reverse.h"
#include "fake_weights.h"
#ifndef TG_PROBE
#define TG_PROBE(op, tensor, data, bytes) ((void)0)
#endif
static _Alignas(8) uint8_t fake_arena[FAKE_ARENA_BYTES];
int fake_init(void) {{
    {init}
    return 0;
}}
int fake_invoke(void) {{
    int8_t *const input = (int8_t *)fake_arena;
    int8_t *const output = (int8_t *)fake_arena + 32;
    reverse(input, output, 24);
    {invoke}
    TG_PROBE(3, 7, output, 24);
    reverse(output, input, 24);
    TG_PROBE(4, 8, input, 24);
    return fake_weights[input[0] & 3] != 0 ? 0 : -2;
}}
int8_t *fake_input_0(void) {{
    return (int8_t *)fake_arena;
}}
const int8_t *fake_output_0(void) {{
    return (const int8_t *)fake_arena + 32;
}}
"""

WEIGHTS = """\
#include "fake_weights.h"
const int8_t fake_weights[{count}] = {{1, 1, 1, 1}};
{extra}
"""

WEIGHTS_HEADER = """\
#include <stdint.h>
extern const int8_t fake_weights[{count}];
"""

KERNEL_HEADER = """\
#include <stdint.h>
void reverse(const int8_t *from, int8_t *to, uint32_t count);
"""

KERNEL = """\
#include "reverse.h"
void reverse(const int8_t *from, int8_t *to, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
        to[count - 1u - i] = from[i];
    }
}
"""

# What a misbehaving model does in init or invoke.
BAD_ADDRESS = "*(volatile uint32_t *)0x60000000u = 1u;"
HANG = "for (volatile int i = 1; i != 0;) { }"
WRONG_OUTPUT = "output[5] = (int8_t)(output[5] + 1);"
DEEP_RECURSION = "extern int fake_deep(volatile int8_t *up); (void)fake_deep(output);"
DEEP_FUNCTION = """
int fake_deep(volatile int8_t *up);
int fake_deep(volatile int8_t *up) {
    volatile int8_t frame[64];
    frame[0] = up[0];
    return fake_deep(frame) + frame[0];
}
"""


def fake_interface() -> ModelInterface:
    """The interface of the fake model: 24 int8 in, 24 int8 out."""
    port = Port(0, 0, "x", DType.INT8, (1, INPUT_BYTES), INPUT_BYTES, None)
    return ModelInterface("fake", (port,), (port,))


def write_fake_package(folder: Path, *, init: str = "", invoke: str = "", extra: str = "", weights: int = 256) -> Path:
    """Write the package; ``init`` and ``invoke`` are C statements, ``extra`` is C at file level."""
    files = {
        "include/fake.h": HEADER,
        "src/fake.c": MODEL.format(init=init, invoke=invoke),
        "src/fake_weights.c": WEIGHTS.format(count=weights, extra=extra),
        "src/fake_weights.h": WEIGHTS_HEADER.format(count=weights),
        "kernels/move/reverse.c": KERNEL,
        "kernels/reverse.h": KERNEL_HEADER,
    }
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder
