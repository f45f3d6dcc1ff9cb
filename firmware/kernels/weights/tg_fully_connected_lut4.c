#include "tg_fully_connected_lut4.h"

#define TABLE_WORDS 256

static void make_table(const int8_t *values, uint32_t *table) {
    for (int32_t high = 0; high < 16; high++) {
        for (int32_t low = 0; low < 16; low++) {
            *table++ = tg_halves(values[low], values[high]);
        }
    }
}

/* Two sums at once, so that an input that has been loaded serves both. `end` is not `x`. */
#if TG_DSP

#pragma GCC diagnostic ignored "-Wunused-parameter" /* assembly takes them from registers */

/* clang-format off */

/* A byte of codes of each row: four multiply-accumulates. Compilers take 2.2 instructions for each
 * where this takes 1.7. */
#define TWO_INPUTS(x)                       \
    "ldrb r8, [r0], #1\n"                   \
    "ldrb r11, [r1], #1\n"                  \
    "ldr.w r8, [r2, r8, lsl #2]\n"          \
    "ldr.w r11, [r2, r11, lsl #2]\n"        \
    "smlad r9, r8, " x ", r9\n"             \
    "smlad r10, r11, " x ", r10\n"

TG_NAKED static void add_rows(const uint8_t *a, const uint8_t *b, const uint32_t *table,
                              const uint32_t *x, const uint32_t *end, int32_t *sums) {
    __asm__ volatile(
        ".syntax unified\n"
        "push {r4-r11, lr}\n"
        "ldrd r12, lr, [sp, #36]\n"
        "ldrd r9, r10, [lr]\n"
        "1:\n"
        "ldm r3!, {r4-r7}\n"
        TWO_INPUTS("r4")
        TWO_INPUTS("r5")
        TWO_INPUTS("r6")
        TWO_INPUTS("r7")
        "cmp r3, r12\n"
        "bne 1b\n"
        "strd r9, r10, [lr]\n"
        "pop {r4-r11, pc}\n");
}

/* clang-format on */

#else

static void add_rows(const uint8_t *a, const uint8_t *b, const uint32_t *table, const uint32_t *x,
                     const uint32_t *end, int32_t *sums) {
    int32_t sum_a = sums[0];
    int32_t sum_b = sums[1];
    do {
        sum_a = tg_smlad(table[a[0]], x[0], sum_a);
        sum_b = tg_smlad(table[b[0]], x[0], sum_b);
        sum_a = tg_smlad(table[a[1]], x[1], sum_a);
        sum_b = tg_smlad(table[b[1]], x[1], sum_b);
        sum_a = tg_smlad(table[a[2]], x[2], sum_a);
        sum_b = tg_smlad(table[b[2]], x[2], sum_b);
        sum_a = tg_smlad(table[a[3]], x[3], sum_a);
        sum_b = tg_smlad(table[b[3]], x[3], sum_b);
        a += 4;
        b += 4;
        x += 4;
    } while (x != end);
    sums[0] = sum_a;
    sums[1] = sum_b;
}

#endif

void tg_fully_connected_lut4(const tg_fully_connected_lut4_t *op, const int8_t *input,
                             int8_t *output, int8_t *scratch) {
    uint32_t *const table = (uint32_t *)(void *)scratch;
    uint32_t *const values = table + TABLE_WORDS;
    const int32_t row_bytes = (op->inputs + 7) / 8 * 4;
    make_table(op->values, table);
    for (int32_t b = 0; b < op->batches; b++) {
        const uint32_t *end = tg_dense_widen(input, op->inputs, values);
        for (int32_t o = 0; o < op->outputs; o += 2) {
            const int32_t row = tg_min(o, op->outputs - 2); /* an odd number: one row once more */
            const uint8_t *codes = op->codes + row * row_bytes;
            int32_t sums[2] = {op->channels.bias[row], op->channels.bias[row + 1]};
            add_rows(codes, codes + row_bytes, table, values, end, sums);
            for (int32_t i = 0; i < 2; i++) {
                output[row + i] =
                    tg_channel_output(&op->channels, row + i, sums[i], op->output_zero_point,
                                      op->output_min, op->output_max);
            }
        }
        input += op->inputs;
        output += op->outputs;
    }
}
