/* The body of tg_mve_blocks_t kernels, which differ in how they round what is negative. */
#ifndef TG_MVE_BLOCKS_H
#define TG_MVE_BLOCKS_H

#include "tg_mve_conv.h"

#if TG_MVE

/* clang-format off */

/* Sixteen values of two windows by four filters. */
#define TG_MVE_STEP                          \
    "vldrb.8 q0, [r3], #16\n"                \
    "vldrb.8 q1, [r5], #16\n"                \
    "vldrb.8 q2, [r1], #16\n"                \
    "vmladava.s8 r0, q0, q2\n"               \
    "vldrb.8 q3, [r1], #16\n"                \
    "vmladava.s8 r2, q1, q2\n"               \
    "vmladava.s8 r4, q0, q3\n"               \
    "vldrb.8 q2, [r1], #16\n"                \
    "vmladava.s8 r6, q1, q3\n"               \
    "vmladava.s8 r8, q0, q2\n"               \
    "vldrb.8 q3, [r1], #16\n"                \
    "vmladava.s8 r10, q1, q2\n"              \
    "vmladava.s8 r12, q0, q3\n"              \
    "vmladava.s8 lr, q1, q3\n"

/* Ties of negative values away from zero: see tg_mve_output. */
#define TG_MVE_AWAY                          \
    "vshr.s32 q2, q0, #31\n"                 \
    "vshr.s32 q3, q1, #31\n"                 \
    "vadd.i32 q0, q0, q2\n"                  \
    "vadd.i32 q1, q1, q3\n"

/* In assembly because GCC spills the eight sums, which need all even registers.
 * r1 stream, r3 and r5 windows, r7 end of the first, r9 bytes of a window, r11 blocks left; q4 where
 * the eight outputs go. Stack: 0 output, 4 zero point. */
#define TG_MVE_BLOCKS(round)                 \
    __asm__ volatile(                        \
        ".syntax unified\n"                  \
        "push {r4-r11, lr}\n"                \
        "vpush {d8-d9}\n"                    \
        "ldm r0!, {r1, r3, r5, r9, r11}\n"   \
        "ldrd r2, r4, [r0], #8\n"            \
        "push {r2, r4}\n"                    \
        "vldrw.u32 q4, [r0]\n"               \
        "adds r7, r3, r9\n"                  \
        "1:\n"                               \
        "ldm r1!, {r0, r4, r8, r12}\n"       \
        "mov r2, r0\n"                       \
        "mov r6, r4\n"                       \
        "mov r10, r8\n"                      \
        "mov lr, r12\n"                      \
        "tst r9, #16\n"                      \
        "bne 3f\n"                           \
        "2:\n"                               \
        TG_MVE_STEP                          \
        "3:\n"                               \
        TG_MVE_STEP                          \
        "cmp r3, r7\n"                       \
        "bne 2b\n"                           \
        "vmov q0[2], q0[0], r0, r8\n"        \
        "vmov q0[3], q0[1], r4, r12\n"       \
        "vldrw.u32 q2, [r1], #16\n"          \
        "vmov q1[2], q1[0], r2, r10\n"       \
        "vmov q1[3], q1[1], r6, lr\n"        \
        "vqrdmulh.s32 q0, q0, q2\n"          \
        "vqrdmulh.s32 q1, q1, q2\n"          \
        round                                \
        "vldrb.s32 q2, [r1], #4\n"           \
        "ldrd r0, r4, [sp]\n"                \
        "vrshl.s32 q0, q0, q2\n"             \
        "vrshl.s32 q1, q1, q2\n"             \
        "vqmovnb.s32 q0, q0\n"               \
        "vqmovnt.s32 q0, q1\n"               \
        "adds r2, r0, #4\n"                  \
        "vqadd.s16 q0, q0, r4\n"             \
        "str r2, [sp]\n"                     \
        "vqmovnb.s16 q0, q0\n"               \
        "subs r3, r3, r9\n"                  \
        "subs r5, r5, r9\n"                  \
        "vstrb.16 q0, [r0, q4]\n"            \
        "subs r11, r11, #1\n"                \
        "bne 1b\n"                           \
        "add sp, #8\n"                       \
        "vpop {d8-d9}\n"                     \
        "pop {r4-r11, pc}\n")

/* clang-format on */

#else

static int32_t dot(const int8_t *weights, const int8_t *window, int32_t bytes, int32_t bias) {
    uint32_t sum = (uint32_t)bias;
    for (int32_t at = 0; at < bytes; at += TG_MVE_BYTES, weights += 4 * TG_MVE_BYTES) {
        for (int32_t i = 0; i < TG_MVE_BYTES; i++) {
            sum += (uint32_t)(weights[i] * window[at + i]);
        }
    }
    return (int32_t)sum;
}

static inline void tg_mve_blocks_portable(const tg_mve_blocks_t *op) {
    const int32_t *block = op->stream;
    for (int32_t f = 0; f < 4 * op->blocks; f++) {
        const int32_t lane = f % 4;
        const int8_t *weights = (const int8_t *)(block + 4) + TG_MVE_BYTES * lane;
        const int32_t *multipliers = block + 4 + op->column_bytes;
        const int32_t shift = ((const int8_t *)(multipliers + 4))[lane];
        for (int32_t w = 0; w < 2; w++) {
            const int32_t sum = dot(weights, w == 0 ? op->a : op->b, op->column_bytes, block[lane]);
            const int32_t scaled = tg_requantize(sum, multipliers[lane], shift);
            op->output[f - lane + op->places[2 * lane + w]] =
                (int8_t)tg_clamp(scaled + op->output_zero_point, INT8_MIN, INT8_MAX);
        }
        if (lane == 3) {
            block = multipliers + 5;
        }
    }
}

#endif

#endif /* TG_MVE_BLOCKS_H */
