#include "tg_conv_gemm.h"

#if TG_DSP

#pragma GCC diagnostic ignored "-Wunused-parameter" /* assembly takes them from registers */

/* clang-format off */

/* Four bytes of each window, as in tg_column_words. */
#define WIDEN(even_a, odd_a, even_b, odd_b)  \
    "ldr r12, [r1], #4\n"                    \
    "sxtb16 " even_a ", r12\n"               \
    "sxtb16 " odd_a ", r12, ror #8\n"        \
    "ldr r12, [r2], #4\n"                    \
    "sxtb16 " even_b ", r12\n"               \
    "sxtb16 " odd_b ", r12, ror #8\n"

/* Kernel rows are short where input channels are few: there, calling tg_column_words for each takes
 * as long as the work. Stack, from sp on: 0 words, 4 rest, 8 rows left, 12 step, 16 ring bytes, 20
 * rests bytes; after the saved registers: 60 end, 64 rests. */
TG_NAKED uint32_t *tg_column_rows(const tg_taps_t *op, const int8_t *a, const int8_t *b,
                                  uint32_t *column, const int8_t *end, int8_t *rests) {
    __asm__ volatile(
        ".syntax unified\n"
        "push {r4-r11, lr}\n"
        "ldm r0, {r4-r9}\n"
        "push {r4-r9}\n"
        "1:\n"
        "ldr r0, [sp]\n"
        "lsrs r12, r0, #1\n"
        "bcc 2f\n"
        WIDEN("r4", "r5", "r6", "r7")
        "stm r3!, {r4-r7}\n"
        "subs r0, #1\n"
        "2:\n"
        "cbz r0, 4f\n"
        "3:\n"
        WIDEN("r4", "r5", "r6", "r7")
        WIDEN("r8", "r9", "r10", "r11")
        "stm r3!, {r4-r11}\n"
        "subs r0, #2\n"
        "bne 3b\n"

        "4:\n"
        "add r12, sp, #4\n"
        "ldm r12, {r4-r8}\n"
        "cbz r4, 5f\n"
        "ldr r9, [sp, #64]\n"
        "ldr r10, [sp, #20]\n"
        "ldr r11, [r1]\n"
        "str r11, [r9]\n"
        "ldr r11, [r2]\n"
        "str r11, [r9, r10]\n"
        "add r9, r9, r4\n"
        "str r9, [sp, #64]\n"

        "5:\n"
        "ldr r9, [sp, #60]\n"
        "add r1, r1, r6\n"
        "cmp r1, r9\n"
        "it hs\n"
        "subhs r1, r1, r7\n"
        "add r2, r2, r6\n"
        "cmp r2, r9\n"
        "it hs\n"
        "subhs r2, r2, r7\n"
        "subs r5, #1\n"
        "str r5, [sp, #8]\n"
        "bne 1b\n"
        "mov r0, r3\n"
        "add sp, #24\n"
        "pop {r4-r11, pc}\n");
}

/* clang-format on */

#else

static const int8_t *next_row(const tg_taps_t *op, const int8_t *row, const int8_t *end) {
    const int32_t step = 4 * op->words + op->step;
    return end - row > step ? row + step : row - (op->ring_bytes - step);
}

uint32_t *tg_column_rows(const tg_taps_t *op, const int8_t *a, const int8_t *b, uint32_t *column,
                         const int8_t *end, int8_t *rests) {
    const int32_t words = op->words;
    for (int32_t rows = op->rows; rows > 0; rows--) {
        if (words > 0) {
            column = tg_column_words(a, b, words, column);
        }
        if (op->rest > 0) {
            tg_store4(rests, tg_load4(a + 4 * words));
            tg_store4(rests + op->rests_bytes, tg_load4(b + 4 * words));
            rests += op->rest;
        }
        a = next_row(op, a, end);
        b = next_row(op, b, end);
    }
    return column;
}

#endif
