#include "tg_conv_gemm.h"

/* The shift of sums that end in an immediate one. */
#define SHIFT 12

#if TG_DSP

#pragma GCC diagnostic ignored "-Wunused-parameter" /* assembly takes them from registers */

/* Steps in the unrolled loop, 40 bytes each; it is entered where the rest is what a layer needs,
 * and layers of no more steps never turn. A power of two. */
#ifdef __OPTIMIZE_SIZE__
#define UNROLL 4
#else
#define UNROLL 16
#endif

/* clang-format off */

/* Sums: r8, r9 filters 0, 1 of the first window, r10, r11 of the second. r12 column, lr stream. */
#define STEP                    \
    "ldm r12!, {r0-r3}\n"       \
    "ldm lr!, {r4-r7}\n"        \
    "smlad r10, r2, r4, r10\n"  \
    "smlad r8, r0, r4, r8\n"    \
    "smlad r11, r2, r6, r11\n"  \
    "smlad r9, r0, r6, r9\n"    \
    "smlad r10, r3, r5, r10\n"  \
    "smlad r8, r1, r5, r8\n"    \
    "smlad r11, r3, r7, r11\n"  \
    "smlad r9, r1, r7, r9\n"

/* Form 0: multiplier m, constant c. */
#define SCALE_SHORT(sum, m, c, target)                      \
    "smmla " sum ", " sum ", " m ", " c "\n"                \
    "ssat " sum ", #8, " sum ", asr #" TG_TEXT(SHIFT) "\n"  \
    "strb " sum ", [" target "], #1\n"

/* Form 1: an exponent of its own, and rounding that is right for negative sums. */
#define SCALE(sum, m, c, e, target)         \
    "add r6, " c ", " sum ", asr #31\n"     \
    "smmlar " sum ", " sum ", " m ", r6\n"  \
    "asr " sum ", " sum ", " e "\n"         \
    "ssat " sum ", #8, " sum "\n"           \
    "strb " sum ", [" target "], #1\n"

/* Stack, from sp on: 0 first, 4 second, 8 end of the pairs in first, 12 column, 16 its end, 20
 * where the loop is entered, 24 where its end goes to, 28 where the sums are scaled, 32 whether one
 * more filter follows. */
TG_NAKED void tg_gemm_int16(const tg_gemm_t *op, const uint32_t *column, int8_t *first,
                            int8_t *second) {
    __asm__ volatile(
        ".syntax unified\n"
        "push {r4-r11, lr}\n"
        "ldm r0, {r4-r7}\n" /* stream, steps, channels, requantize */
        "mov lr, r4\n"
        "mov r12, r1\n"
        "and r10, r6, #1\n"
        "sub r4, r6, r10\n"
        "add r4, r2, r4\n"
        "add r6, r1, r5, lsl #4\n"
        "adr.w r9, 4f + 1\n"
        "cmp r7, #1\n"
        "it eq\n"
        "adreq.w r9, 5f + 1\n"
        "it hi\n"
        "adrhi.w r9, 6f + 1\n"
        "adr.w r8, 3f + 1\n"
        "cmp r5, #" TG_TEXT(UNROLL) "\n"
        "it ls\n"
        "movls r8, r9\n"
        "rsb r7, r5, #0\n" /* steps that the first round skips */
        "and r7, r7, #" TG_TEXT(UNROLL) " - 1\n"
        "add r7, r7, r7, lsl #2\n"
        "adr.w r0, 2f + 1\n"
        "add r7, r0, r7, lsl #3\n"
        "mov r5, r1\n"
        "push {r2-r10}\n"

        "1:\n" /* a pair of filters */
        "ldm lr!, {r8-r11}\n"
        "ldr pc, [sp, #20]\n"
        "2:\n"
        ".rept " TG_TEXT(UNROLL) "\n"
        STEP
        ".endr\n"
        "ldr pc, [sp, #24]\n"
        "3:\n"
        "ldr r0, [sp, #16]\n"
        "cmp r12, r0\n"
        "bne 2b\n"
        "ldr pc, [sp, #28]\n"

        "6:\n"
        "ldr r4, [sp]\n"
        "stm r4!, {r8-r11}\n"
        "ldrd r6, r12, [sp, #8]\n"
        "b 7f\n"

        "5:\n"
        "ldm lr!, {r0-r3, r7, r12}\n"
        "ldrd r4, r5, [sp]\n"
        SCALE("r8", "r0", "r1", "r2", "r4")
        SCALE("r9", "r3", "r7", "r12", "r4")
        SCALE("r10", "r0", "r1", "r2", "r5")
        SCALE("r11", "r3", "r7", "r12", "r5")
        "ldrd r6, r12, [sp, #8]\n"
        "b 7f\n"

        "4:\n"
        "ldm lr!, {r0-r3}\n"
        "ldm sp, {r4-r6, r12}\n"
        SCALE_SHORT("r8", "r0", "r1", "r4")
        SCALE_SHORT("r9", "r2", "r3", "r4")
        SCALE_SHORT("r10", "r0", "r1", "r5")
        SCALE_SHORT("r11", "r2", "r3", "r5")
        "7:\n"
        "strd r4, r5, [sp]\n"
        "cmp r4, r6\n"
        "bne 1b\n"

        "ldr r7, [sp, #32]\n" /* an odd filter is left: back by one, for one more pair */
        "cbz r7, 8f\n"
        "subs r4, #1\n"
        "subs r5, #1\n"
        "adds r6, #1\n"
        "stm sp, {r4-r6}\n"
        "movs r7, #0\n"
        "str r7, [sp, #32]\n"
        "b 1b\n"
        "8:\n"
        "add sp, #36\n"
        "pop {r4-r11, pc}\n");
}

/* clang-format on */

#else

static int8_t scaled(const int32_t *factor, int32_t requantize, int32_t sum) {
    if (requantize == 0) {
        return (int8_t)tg_ssat8(tg_smmla(sum, factor[0], factor[1]) >> SHIFT);
    }
    const int32_t nudge = factor[1] - (sum < 0 ? 1 : 0);
    return (int8_t)tg_ssat8(tg_smmlar(sum, factor[0], nudge) >> factor[2]);
}

/* The sums of a pair of filters; returns what follows in the stream. */
static const int32_t *sum_up(const int32_t *stream, int32_t steps, const uint32_t *column,
                             int32_t *sums) {
    tg_copy(sums, stream, 16);
    stream += 4;
    for (int32_t k = 0; k < 4 * steps; k += 4, stream += 4) {
        for (int32_t i = 0; i < 4; i++) {
            const int32_t x = k + (i & 2);
            const int32_t w = 2 * (i & 1);
            sums[i] = tg_smlad(column[x], (uint32_t)stream[w], sums[i]);
            sums[i] = tg_smlad(column[x + 1], (uint32_t)stream[w + 1], sums[i]);
        }
    }
    return stream;
}

void tg_gemm_int16(const tg_gemm_t *op, const uint32_t *column, int8_t *first, int8_t *second) {
    const int32_t *stream = op->stream;
    int32_t sums[4];
    if (op->requantize == 2) {
        for (int32_t at = 0; at < op->channels; at += 16) {
            stream = sum_up(stream, op->steps, column, sums);
            tg_copy(first + at, sums, 16);
        }
        return;
    }
    const int32_t factors = op->requantize == 0 ? 2 : 3;
    for (int32_t c = 0; c < op->channels; c += 2) {
        const int32_t at = tg_min(c, op->channels - 2);
        stream = sum_up(stream, op->steps, column, sums);
        first[at] = scaled(stream, op->requantize, sums[0]);
        first[at + 1] = scaled(stream + factors, op->requantize, sums[1]);
        second[at] = scaled(stream, op->requantize, sums[2]);
        second[at + 1] = scaled(stream + factors, op->requantize, sums[3]);
        stream += 2 * factors;
    }
}

#endif
