#include "tg_conv_gemm.h"

#if TG_DSP

#pragma GCC diagnostic ignored "-Wunused-parameter" /* assembly takes them from registers */

/* Steps in the unrolled loop after the first step, as in tg_gemm_int16; 48 bytes each. */
#ifdef __OPTIMIZE_SIZE__
#define UNROLL 4
#else
#define UNROLL 16
#endif

/* clang-format off */

/* Sums: r8 A and r9 A + 256 B of the first window, r10, r11 of the second. r12 column, lr stream.
 * The first step sets the sums, the others add to them. */
#define LOADS                   \
    "ldm r12!, {r0-r3}\n"       \
    "ldm lr!, {r4, r5}\n"       \
    "sxtb16 r6, r4\n"           \
    "sxtb16 r7, r5\n"
#define SECOND_HALF             \
    "smlad r9, r1, r5, r9\n"    \
    "smlad r11, r3, r5, r11\n"  \
    "smlad r8, r1, r7, r8\n"    \
    "smlad r10, r3, r7, r10\n"
#define FIRST_STEP              \
    LOADS                       \
    "smuad r9, r0, r4\n"        \
    "smuad r11, r2, r4\n"       \
    "smuad r8, r0, r6\n"        \
    "smuad r10, r2, r6\n"       \
    SECOND_HALF
#define STEP                    \
    LOADS                       \
    "smlad r9, r0, r4, r9\n"    \
    "smlad r11, r2, r4, r11\n"  \
    "smlad r8, r0, r6, r8\n"    \
    "smlad r10, r2, r6, r10\n"  \
    SECOND_HALF

/* Multiplier m, constant c, and e - 1 in the lowest byte of p, all that a shift by p looks at. */
#define SCALE(sum, m, c, p, target)          \
    "add r12, " c ", " sum ", asr #31\n"     \
    "smmlar " sum ", " sum ", " m ", r12\n"  \
    "asr " sum ", " sum ", " p "\n"          \
    "ssat " sum ", #8, " sum ", asr #1\n"    \
    "strb " sum ", [" target "], #1\n"

/* Stack, from sp on: 0 first, 4 second, 8 constants, 12 requantize, 16 end of the pairs in first, 20
 * column, 24 its end, 28 where the loop is entered, 32 where its end goes to, 36 whether one more
 * filter follows. */
TG_NAKED void tg_gemm_pair8(const tg_gemm_t *op, const uint32_t *column, int8_t *first,
                            int8_t *second) {
    __asm__ volatile(
        ".syntax unified\n"
        "push {r4-r11, lr}\n"
        "ldm r0, {r4-r8}\n" /* stream, steps, channels, requantize, constants */
        "mov lr, r4\n"
        "mov r12, r1\n"
        "mov r4, r8\n"
        "add r8, r1, r5, lsl #4\n"
        "adr.w r10, 4f + 1\n"
        "cmp r5, #" TG_TEXT(UNROLL) "\n"
        "it hi\n"
        "adrhi.w r10, 3f + 1\n"
        "subs r5, #1\n" /* steps that the first round skips; possibly the whole round */
        "and r5, r5, #" TG_TEXT(UNROLL) " - 1\n"
        "rsb r5, r5, #" TG_TEXT(UNROLL) "\n"
        "add r5, r5, r5, lsl #1\n"
        "adr.w r9, 2f + 1\n"
        "add r9, r9, r5, lsl #4\n"
        "and r11, r6, #1\n"
        "sub r6, r6, r11\n"
        "add r6, r2, r6\n"
        "mov r5, r7\n"
        "mov r7, r1\n"
        "push {r2-r11}\n"

        "1:\n" /* a pair of filters */
        FIRST_STEP
        "ldr pc, [sp, #28]\n"
        "2:\n"
        ".rept " TG_TEXT(UNROLL) "\n"
        STEP
        ".endr\n"
        "ldr pc, [sp, #32]\n"
        "3:\n"
        "ldr r0, [sp, #24]\n"
        "cmp r12, r0\n"
        "bne 2b\n"

        "4:\n"
        "ldm sp, {r4-r7}\n"
        "ldm r6!, {r0-r3}\n"
        "str r6, [sp, #8]\n"
        "sub r9, r9, r8\n" /* twice the sums, with their bias */
        "sub r11, r11, r10\n"
        "asr r6, r1, #7\n"
        "add r8, r6, r8, lsl #1\n"
        "add r10, r6, r10, lsl #1\n"
        "asr r6, r3, #7\n"
        "add r9, r6, r9, asr #7\n"
        "add r11, r6, r11, asr #7\n"
        "lsl r6, r7, r1\n"
        "lsl r7, r7, r3\n"
        SCALE("r8", "r0", "r6", "r1", "r4")
        SCALE("r9", "r2", "r7", "r3", "r4")
        SCALE("r10", "r0", "r6", "r1", "r5")
        SCALE("r11", "r2", "r7", "r3", "r5")
        "strd r4, r5, [sp]\n"
        "ldrd r6, r12, [sp, #16]\n"
        "cmp r4, r6\n"
        "bne 1b\n"

        "ldr r7, [sp, #36]\n" /* an odd filter is left: back by one, for one more pair */
        "cbz r7, 5f\n"
        "subs r4, #1\n"
        "subs r5, #1\n"
        "adds r6, #1\n"
        "strd r4, r5, [sp]\n"
        "str r6, [sp, #16]\n"
        "movs r7, #0\n"
        "str r7, [sp, #36]\n"
        "b 1b\n"
        "5:\n"
        "add sp, #40\n"
        "pop {r4-r11, pc}\n");
}

/* clang-format on */

#else

/* sum: without its bias. */
static int8_t scaled(int32_t sum, int32_t multiplier, int32_t packed, int32_t requantize) {
    const int32_t twice = 2 * (sum + (packed >> 8));
    const int32_t e = packed & 0xFF;
    const int32_t nudge = requantize * (1 << e) - (twice < 0 ? 1 : 0);
    return (int8_t)tg_ssat8(tg_smmlar(twice, multiplier, nudge) >> e >> 1);
}

void tg_gemm_pair8(const tg_gemm_t *op, const uint32_t *column, int8_t *first, int8_t *second) {
    const int32_t *stream = op->stream;
    const int32_t *constants = op->constants;
    for (int32_t c = 0; c < op->channels; c += 2) {
        const int32_t at = tg_min(c, op->channels - 2);
        const int32_t *weights = stream;
        stream += 2 * op->steps;
        for (int32_t pixel = 0; pixel < 2; pixel++) {
            int8_t *target = (pixel == 0 ? first : second) + at;
            int32_t a = 0;
            int32_t ab = 0;
            for (int32_t k = 0; k < 2 * op->steps; k++) {
                const uint32_t x = column[4 * (k >> 1) + 2 * pixel + (k & 1)];
                a = tg_smlad(x, tg_sxtb16((uint32_t)weights[k]), a);
                ab = tg_smlad(x, (uint32_t)weights[k], ab);
            }
            const int32_t b = (int32_t)((uint32_t)ab - (uint32_t)a) >> 8;
            target[0] = scaled(a, constants[0], constants[1], op->requantize);
            target[1] = scaled(b, constants[2], constants[3], op->requantize);
        }
        constants += 4;
    }
}

#endif
