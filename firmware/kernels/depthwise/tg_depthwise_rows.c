/* The inner loops of the strip kernel: for each group of four channels, first pack two input rows
 * into the strip, then compute two output rows from it.
 *
 * Packing turns eight bytes of two pixels, one above the other, into four words, one for each
 * channel, with the upper value in the low half. A strip's column holds, for each of the four
 * channels, the word of the two rows before and the word of these two rows:
 *
 *     column x: (before 0, now 0), (before 1, now 1), (before 2, now 2), (before 3, now 3)
 *
 * So each input value is unpacked once, and each column is ready for four taps in two instructions:
 *
 *     upper output row += before . (w0, w1) + low half of now * w2
 *     lower output row += high half of before * w0 + now . (w1, w2)
 */
#include "../tg_dsp.h"
#include "tg_depthwise.h"

#if TG_DSP

#pragma GCC diagnostic ignored "-Wunused-parameter" /* assembly takes them from registers */

_Static_assert(TG_DEPTHWISE_SHIFT == 10, "written out in the assembly");

/* clang-format off */
/* r0: column left of the pixel; r3-r8: the channel's filter; lr: its bias; sums of two pixels in
 * r9 (upper row), r12 (lower row), and lr, r1. */
#define COLUMN(upper, lower, a, b)                  \
    "smlatb " lower ", r10, " a ", " lower "\n"     \
    "smlad  " upper ", r10, " a ", " upper "\n"     \
    "smlabt " upper ", r11, " b ", " upper "\n"     \
    "smlad  " lower ", r11, " b ", " lower "\n"
/* The same for sums that start from the bias; `upper` may be lr. */
#define FIRST_COLUMN(upper, lower, a, b)            \
    "smlatb " lower ", r10, " a ", lr\n"            \
    "smlad  " upper ", r10, " a ", lr\n"            \
    "smlabt " upper ", r11, " b ", " upper "\n"     \
    "smlad  " lower ", r11, " b ", " lower "\n"
#define LEFT "r3", "r4"
#define MIDDLE "r5", "r6"
#define RIGHT "r7", "r8"
#define TAPS(macro, upper, lower, filter) macro(upper, lower, filter)
/* With multiplier and rounding in r10, r11. */
#define SCALE(sum)                                  \
    "smmla " sum ", " sum ", r10, r11\n"            \
    "ssat  " sum ", #8, " sum ", asr #10\n"
#define UPPER_COLUMN(upper, from, a, b)             \
    "smlad  " upper ", r10, " a ", " from "\n"      \
    "smlabt " upper ", r11, " b ", " upper "\n"

#ifndef __OPTIMIZE_SIZE__
/* A last single row, as an odd height ends with: sums of two pixels in r9, r12. Without this part,
 * both rows are computed, and the upper one is stored over the lower one. It saves 2 % of 25 rows. */
#define IF_TWO_ROWS                                 \
    "ldr   r3, [sp, #28]\n"                         \
    "cbnz  r3, 3f\n"                                \
    "cmp   r2, #0\n"                                \
    "bne   7f\n"
#define ONE_ROW                                     \
    "7:\n"                                          \
    "ldm   r1!, {r3-r10, lr}\n"                     \
    "stm   sp, {r0-r2, r9, r10, lr}\n"              \
    "8:\n"                                          \
    "ldrd  r10, r11, [r0, #32]\n"                   \
    UPPER_COLUMN("r9", "lr", "r5", "r6")            \
    UPPER_COLUMN("r12", "lr", "r3", "r4")           \
    "ldrd  r10, r11, [r0, #64]\n"                   \
    UPPER_COLUMN("r9", "r9", "r7", "r8")            \
    UPPER_COLUMN("r12", "r12", "r5", "r6")          \
    "ldrd  r10, r11, [r0, #96]\n"                   \
    UPPER_COLUMN("r12", "r12", "r7", "r8")          \
    "ldrd  r10, r11, [r0], #64\n"                   \
    UPPER_COLUMN("r9", "r9", "r3", "r4")            \
    "ldrd  r10, r11, [sp, #12]\n"                   \
    SCALE("r9") SCALE("r12")                        \
    "ldr   r11, [sp, #32]\n"                        \
    "strb  r12, [r2, r11]\n"                        \
    "strb  r9, [r2]\n"                              \
    "add   r2, r2, r11, lsl #1\n"                   \
    "ldrd  lr, r9, [sp, #20]\n"                     \
    "cmp   r0, r9\n"                                \
    "blo   8b\n"                                    \
    "lsls  r9, r9, #31\n"                           \
    "beq   9f\n"                                    \
    "ldrd  r10, r11, [r0, #32]\n"                   \
    UPPER_COLUMN("r9", "lr", "r5", "r6")            \
    "ldrd  r10, r11, [r0, #64]\n"                   \
    UPPER_COLUMN("r9", "r9", "r7", "r8")            \
    "ldrd  r10, r11, [r0]\n"                        \
    UPPER_COLUMN("r9", "r9", "r3", "r4")            \
    "ldrd  r10, r11, [sp, #12]\n"                   \
    SCALE("r9")                                     \
    "strb  r9, [r2]\n"                              \
    "9:\n"                                          \
    "ldm   sp, {r0-r2}\n"                           \
    "adds  r0, #8\n"                                \
    "adds  r2, #1\n"                                \
    "tst   r0, #24\n"                               \
    "bne   7b\n"                                    \
    "strd  r1, r2, [sp, #4]\n"                      \
    "b     6b\n"
#else
#define IF_TWO_ROWS "cbnz  r2, 3f\n"
#define ONE_ROW
#endif
/* clang-format on */

/* The frame: +0 strip, +4 stream, +8 output, +12 multiplier, +16 rounding, +20 bias, +24 last,
 * +28 pitch, +32 pixel, +36 above, +40 below, +44 columns, +48 saved, +52 above_step,
 * +56 below_step, +60 columns_end, +64 groups, +68 first strip. */
TG_NAKED void tg_depthwise_rows(const tg_depthwise_rows_t *op) {
    __asm__ volatile(
        ".syntax unified\n"
        "push  {r4-r11, lr}\n"
        "ldm   r0!, {r1, r2}\n"
        "ldm   r0, {r0, r3-r12, lr}\n"
        "push  {r0, r3-r12, lr}\n"
        "sub   sp, #24\n"
        "strd  r1, r2, [sp, #4]\n"
        "1:\n" /* a group */
        "ldrd  r0, r1, [sp, #36]\n"
        "adds  r4, r0, #4\n"
        "adds  r5, r1, #4\n"
        "strd  r4, r5, [sp, #36]\n"
        "ldrd  r2, r3, [sp, #44]\n"
        "ldrd  r12, lr, [sp, #52]\n"
        "2:\n" /* pack a column */
        "ldr   r4, [r0]\n"
        "ldr   r6, [r1]\n"
        "add   r0, r12\n"
        "add   r1, lr\n"
        "pkhbt r5, r4, r6, lsl #16\n"
        "pkhtb r9, r6, r4, asr #16\n"
        "sxtb16 r7, r5, ror #8\n"
        "sxtb16 r5, r5\n"
        "sxtb16 r11, r9, ror #8\n"
        "sxtb16 r9, r9\n"
        "ldm   r3, {r4, r6, r8, r10}\n"
        "stm   r3!, {r5, r7, r9, r11}\n"
        "stm   r2!, {r4-r11}\n"
        "ldr   r4, [sp, #60]\n"
        "cmp   r2, r4\n"
        "bne   2b\n"
        "str   r3, [sp, #48]\n"
        "ldr   r0, [sp, #68]\n"
        "ldrd  r1, r2, [sp, #4]\n"
        IF_TWO_ROWS
        "b     6f\n"
        "3:\n" /* a channel */
        "ldm   r1!, {r3-r10, lr}\n"
        "stm   sp, {r0-r2, r9, r10, lr}\n"
        "4:\n" /* two pixels in two rows */
        "ldrd  r10, r11, [r0, #32]\n"
        TAPS(FIRST_COLUMN, "r9", "r12", MIDDLE)
        TAPS(FIRST_COLUMN, "lr", "r1", LEFT)
        "ldrd  r10, r11, [r0, #64]\n"
        TAPS(COLUMN, "r9", "r12", RIGHT)
        TAPS(COLUMN, "lr", "r1", MIDDLE)
        "ldrd  r10, r11, [r0, #96]\n"
        TAPS(COLUMN, "lr", "r1", RIGHT)
        "ldrd  r10, r11, [r0], #64\n"
        TAPS(COLUMN, "r9", "r12", LEFT)
        "ldrd  r10, r11, [sp, #12]\n"
        SCALE("r9") SCALE("r12") SCALE("lr") SCALE("r1")
        "ldrd  r10, r11, [sp, #28]\n"
        /* The lower row first: without one, the upper row overwrites it. */
        "strb  r12, [r2, r10]\n"
        "add   r10, r11\n"
        "strb  r1, [r2, r10]\n"
        "strb  lr, [r2, r11]\n"
        "strb  r9, [r2]\n"
        "add   r2, r2, r11, lsl #1\n"
        "ldrd  lr, r9, [sp, #20]\n"
        "cmp   r0, r9\n"
        "blo   4b\n"
        "lsls  r9, r9, #31\n"
        "beq   5f\n"
        /* a last pixel in two rows */
        "ldrd  r10, r11, [r0, #32]\n"
        TAPS(FIRST_COLUMN, "r9", "r12", MIDDLE)
        "ldrd  r10, r11, [r0, #64]\n"
        TAPS(COLUMN, "r9", "r12", RIGHT)
        "ldrd  r10, r11, [r0]\n"
        TAPS(COLUMN, "r9", "r12", LEFT)
        "ldrd  r10, r11, [sp, #12]\n"
        SCALE("r9") SCALE("r12")
        "ldr   r10, [sp, #28]\n"
        "strb  r12, [r2, r10]\n"
        "strb  r9, [r2]\n"
        "5:\n" /* the next channel; four of them share 32 bytes of a column */
        "ldm   sp, {r0-r2}\n"
        "adds  r0, #8\n"
        "adds  r2, #1\n"
        "tst   r0, #24\n"
        "bne   3b\n"
        "strd  r1, r2, [sp, #4]\n"
        "6:\n"
        "ldr   r3, [sp, #64]\n"
        "subs  r3, #1\n"
        "str   r3, [sp, #64]\n"
        "bne   1b\n"
        "add   sp, #72\n"
        "pop   {r4-r11, pc}\n" ONE_ROW);
}

#else

static void pack_rows(const tg_depthwise_rows_t *op, int32_t group, uint32_t *saved) {
    const int8_t *above = op->above + 4 * group;
    const int8_t *below = op->below + 4 * group;
    for (uint32_t *column = op->columns; column != op->columns_end; column += 8) {
        for (int32_t c = 0; c < 4; c++) {
            column[2 * c] = saved[c];
            column[2 * c + 1] = tg_halves(above[c], below[c]);
            saved[c] = column[2 * c + 1];
        }
        above += op->above_step;
        below += op->below_step;
        saved += 4;
    }
}

static int8_t scaled(int32_t sum, const int32_t *stream) {
    return (int8_t)tg_ssat8(tg_smmla(sum, stream[6], stream[7]) >> TG_DEPTHWISE_SHIFT);
}

static void channel_rows(const tg_depthwise_rows_t *op, const uint32_t *column,
                         const int32_t *stream, int8_t *output) {
    for (int32_t x = 0; x < op->output_width; x++, column += 8, output += op->pixel) {
        int32_t upper = stream[8];
        int32_t lower = stream[8];
        for (int32_t k = 0; k < 3; k++) {
            const uint32_t before = column[8 * k];
            const uint32_t now = column[8 * k + 1];
            const uint32_t w01 = (uint32_t)stream[2 * k];
            const uint32_t w12 = (uint32_t)stream[2 * k + 1];
            upper = tg_smlad(before, w01, tg_smlad(now, w12 >> 16, upper));
            lower = tg_smlad(before, w01 << 16, tg_smlad(now, w12, lower));
        }
        output[op->pitch] = scaled(lower, stream);
        output[0] = scaled(upper, stream);
    }
}

void tg_depthwise_rows(const tg_depthwise_rows_t *op) {
    const int32_t *stream = op->stream;
    int8_t *output = op->output;
    const int32_t first = (int32_t)((uintptr_t)op->strip / 8 % 4);
    for (int32_t g = 0; g < op->groups; g++) {
        pack_rows(op, g, op->saved + g * (op->columns_end - op->columns) / 2);
        for (int32_t c = first; c < 4 && output; c++) {
            channel_rows(op, op->strip + 2 * (c - first), stream, output);
            stream += TG_DEPTHWISE_CHANNEL_WORDS;
            output++;
        }
    }
}

#endif
