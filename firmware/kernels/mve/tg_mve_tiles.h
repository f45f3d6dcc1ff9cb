/* The body of tg_mve_tiles_kernel_t kernels, which differ in how they round what is negative. */
#ifndef TG_MVE_TILES_H
#define TG_MVE_TILES_H

#include "tg_mve_depthwise.h"

#if TG_MVE

/* clang-format off */

/* (S + c), as described at TG_MVE_DEPTHWISE_WORDS, of the sums in q4. */
#define TG_MVE_ADD                           \
    "vqrdmulh.s32 q4, q4, r9\n"              \
    "vshr.s32 q5, q4, #31\n"                 \
    "vadd.i32 q4, q4, q5\n"                  \
    "vadd.i32 q4, q4, r10\n"

/* The same without the correction of what is negative; q5 holds m. */
#define TG_MVE_ADD_RELU                      \
    "vqrdmlash.s32 q4, q5, r10\n"

#define TG_MVE_TILE(add)                     \
    "vldrw.u32 q4, [r1, q6]\n"               \
    "vmladav.s8 r0, q4, q0\n"                \
    "vmladav.s8 r2, q4, q1\n"                \
    "vmladav.s8 r4, q4, q2\n"                \
    "vmladav.s8 r6, q4, q3\n"                \
    "vmov q4[2], q4[0], r0, r4\n"            \
    "vmov q4[3], q4[1], r2, r6\n"            \
    "adds r1, r1, r5\n"                      \
    "vadd.i32 q4, q4, r8\n"                  \
    add                                      \
    "vqshl.s32 q4, r11\n"                    \
    "vshr.s32 q4, q4, #24\n"                 \
    "vstrb.32 q4, [r3, q7]\n"                \
    "adds r3, r3, r7\n"

/* In assembly because GCC's scalars would not stay in registers. q0 to q3: the filter, one column
 * later, one row later, both later; r12 stream; r8 to r11 bias, m, c, 24 - e. P0 keeps the bias out
 * of the filter. Stack: words_back, output_back, stream_end, tiles, odd, down. */
#define TG_MVE_TILES(factors, add)           \
    __asm__ volatile(                        \
        ".syntax unified\n"                  \
        "push {r4-r11, lr}\n"                \
        "vpush {d8-d15}\n"                   \
        "ldm r0!, {r1, r2, r3, r5, r7}\n"    \
        "mov r12, r1\n"                      \
        "mov r1, r2\n"                       \
        "vldrw.u32 q6, [r0], #16\n"          \
        "vldrw.u32 q7, [r0], #16\n"          \
        "ldm r0, {r2, r4, r6, r8, r9, r10}\n" \
        "push {r2, r4, r6, r8, r9, r10}\n"   \
        "movw r2, #0x0fff\n"                 \
        "vmsr p0, r2\n"                      \
        "1:\n"                               \
        "ldrd lr, r2, [sp, #12]\n"           \
        "ldr r0, [sp, #20]\n"                \
        "vldrw.u32 q1, [r12]\n"              \
        "vldrw.u32 q3, [r12], #4\n"          \
        "vpstt\n"                            \
        "vldrwt.u32 q0, [r12]\n"             \
        "vldrwt.u32 q2, [r12], #12\n"        \
        "ldm r12!, {r8-r11}\n"               \
        "vshl.s32 q2, r0\n"                  \
        "vshl.s32 q3, r0\n"                  \
        factors                              \
        "dls lr, lr\n"                       \
        "2:\n"                               \
        TG_MVE_TILE(add)                     \
        "le lr, 2b\n"                        \
        "ldr r2, [sp, #16]\n"                \
        "cbz r2, 3f\n"                       \
        "sub r1, r1, r5, lsr #1\n"           \
        "sub r3, r3, r7, lsr #1\n"           \
        TG_MVE_TILE(add)                     \
        "3:\n"                               \
        "ldm sp, {r0, r2, r4}\n"             \
        "adds r1, r1, r0\n"                  \
        "adds r3, r3, r2\n"                  \
        "cmp r12, r4\n"                      \
        "bne 1b\n"                           \
        "add sp, #24\n"                      \
        "vpop {d8-d15}\n"                    \
        "pop {r4-r11, pc}\n")

/* clang-format on */

#else

static inline void tg_mve_tiles_portable(const tg_mve_tiles_t *op) {
    const int8_t *words = op->words;
    int8_t *output = op->output;
    const uint32_t column = op->columns[1];
    for (const int32_t *c = op->stream; c != op->stream_end; c += TG_MVE_DEPTHWISE_WORDS) {
        for (int32_t tile = 0; tile < op->tiles + op->odd; tile++) {
            if (tile == op->tiles) {
                words -= op->tile_words / 2;
                output -= op->tile_output / 2;
            }
            for (int32_t i = 0; i < 4; i++) {
                const int8_t *window = words + (i / 2 * op->down / 8) + (i % 2 != 0 ? column : 0);
                output[op->places[i]] = tg_mve_depthwise_output(c, window, column);
            }
            words += op->tile_words;
            output += op->tile_output;
        }
        words -= (uint32_t)-op->words_back;
        output -= (uint32_t)-op->output_back;
    }
}

#endif

#endif /* TG_MVE_TILES_H */
