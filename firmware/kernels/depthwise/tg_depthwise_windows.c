#include "../tg_dsp.h"
#include "tg_depthwise_taps.h"

#if TG_DSP

#pragma GCC diagnostic ignored "-Wunused-parameter" /* assembly takes it from its register */

_Static_assert(TG_DEPTHWISE_SHIFT == 10, "written out in the assembly");

/* clang-format off */
/* r0: window, moving on with the groups; r1: offsets; r2: stream; sums in r8-r11. */
#define TWO_TAPS                                    \
    "ldrd r3, r12, [r1], #8\n"                      \
    "ldr r3, [r0, r3]\n"                            \
    "ldr r12, [r0, r12]\n"                          \
    "ldm r2!, {r4-r7}\n"                            \
    "pkhbt lr, r3, r12, lsl #16\n"                  \
    "pkhtb r3, r12, r3, asr #16\n"                  \
    "sxtb16 r12, lr, ror #8\n"                      \
    "sxtb16 lr, lr\n"                               \
    "smlad r9, r12, r5, r9\n"                       \
    "smlad r8, lr, r4, r8\n"                        \
    "sxtb16 r12, r3, ror #8\n"                      \
    "sxtb16 r3, r3\n"                               \
    "smlad r11, r12, r7, r11\n"                     \
    "smlad r10, r3, r6, r10\n"
#define SHORT(sum, m, c)                            \
    "smmla " sum ", " sum ", " m ", " c "\n"        \
    "ssat " sum ", #8, " sum ", asr #10\n"
#define GENERAL(sum, m, c, e)                       \
    "add " c ", " c ", " sum ", asr #31\n"          \
    "smmlar " sum ", " sum ", " m ", " c "\n"       \
    "asr " sum ", " sum ", " e "\n"                 \
    "ssat " sum ", #8, " sum "\n"
/* clang-format on */

/* Stack: 0 offsets_end, 4 delta, 8 offsets, 12 stream_end, 16 stream_begin, 20 pixels,
 * 24 window_step, 28 delta_step, 32 where to requantize. */
TG_NAKED void tg_depthwise_windows(const tg_depthwise_windows_t *op) {
    __asm__ volatile(".syntax unified\n"
                     "push {r4-r11, lr}\n"
                     "ldm r0!, {r1, r2}\n"
                     "ldm r0, {r4-r12}\n"
                     "cmp r12, #0\n"
                     "adr r12, 3f\n"
                     "it ne\n"
                     "adrne r12, 4f\n"
                     "orr r12, r12, #1\n"
                     "push {r4-r12}\n"
                     "mov r0, r1\n"
                     "ldr r1, [sp, #8]\n"
                     "1:\n" /* a group */
                     "ldm r2!, {r8-r11}\n"
                     "2:\n" TWO_TAPS TWO_TAPS TWO_TAPS TWO_TAPS "ldr r3, [sp]\n"
                     "cmp r1, r3\n"
                     "bne 2b\n"
                     "ldrd r3, r1, [r1]\n" /* the last tap, and back to the first */
                     "ldr r3, [r0, r3]\n"
                     "ldm r2!, {r4, r5}\n"
                     "sxtb16 r12, r3, ror #8\n"
                     "sxtb16 r3, r3\n"
                     "smlabb r8, r3, r4, r8\n"
                     "smlabb r9, r12, r5, r9\n"
                     "smlatt r10, r3, r4, r10\n"
                     "smlatt r11, r12, r5, r11\n"
                     "ldr pc, [sp, #32]\n"
                     ".balign 4\n"
                     "3:\n" /* the short requantization */
                     "ldm r2!, {r4-r7}\n" SHORT("r8", "r4", "r5") SHORT("r9", "r6", "r7")
                     "ldm r2!, {r4-r7}\n" SHORT("r10", "r4", "r5") SHORT("r11", "r6", "r7")
                     "5:\n" /* put four outputs together */
                     "ldr r3, [sp, #4]\n"
                     "bfi r8, r9, #8, #8\n"
                     "bfi r8, r10, #16, #8\n"
                     "bfi r8, r11, #24, #8\n"
                     "str r8, [r0, r3]\n"
                     "ldr r12, [sp, #12]\n"
                     "adds r0, #4\n"
                     "cmp r2, r12\n"
                     "bne 1b\n"
                     /* the next window */
                     "ldrd r2, r4, [sp, #16]\n"
                     "ldrd r5, r6, [sp, #24]\n"
                     "add r0, r5\n"
                     "add r3, r6\n"
                     "str r3, [sp, #4]\n"
                     "subs r4, #1\n"
                     "str r4, [sp, #20]\n"
                     "bne 1b\n"
                     "add sp, #36\n"
                     "pop {r4-r11, pc}\n"
                     ".balign 4\n"
                     "4:\n" /* the general requantization */
                     "ldm r2!, {r3-r7, r12}\n" GENERAL("r8", "r3", "r4", "r5")
                         GENERAL("r9", "r6", "r7", "r12")
                     "ldm r2!, {r3-r7, r12}\n" GENERAL("r10", "r3", "r4", "r5")
                         GENERAL("r11", "r6", "r7", "r12")
                     "b 5b\n");
}

#else

/* Reads one channel of a tap; wraps around like the assembly's addresses. */
static int32_t tap(uintptr_t window, int32_t offset, int32_t channel) {
    return ((const int8_t *)(window + (uintptr_t)(intptr_t)offset))[channel];
}

static int32_t sum_of(const tg_depthwise_windows_t *op, uintptr_t window, const int32_t *stream,
                      int32_t channel) {
    int32_t sum = stream[channel];
    const int32_t *words = stream + 4 + channel;
    const int32_t *offset = op->offsets;
    for (; offset != op->offsets_end; offset += 2, words += 4) {
        const int32_t first = tap(window, offset[0], channel);
        const int32_t second = tap(window, offset[1], channel);
        sum = tg_smlad((uint32_t)*words, tg_halves(first, second), sum);
    }
    const uint32_t last = (uint32_t)words[channel % 2 - channel];
    const int32_t weight = channel < 2 ? tg_low_half(last) : tg_high_half(last);
    return sum + weight * tap(window, *offset, channel);
}

static int8_t output_of(const tg_depthwise_windows_t *op, int32_t sum, const int32_t *factors,
                        int32_t channel) {
    if (op->general) {
        const int32_t *f = factors + 3 * channel;
        return (int8_t)tg_ssat8(tg_smmlar(sum, f[0], f[1] - (sum < 0 ? 1 : 0)) >> f[2]);
    }
    const int32_t *f = factors + 2 * channel;
    return (int8_t)tg_ssat8(tg_smmla(sum, f[0], f[1]) >> TG_DEPTHWISE_SHIFT);
}

void tg_depthwise_windows(const tg_depthwise_windows_t *op) {
    uintptr_t window = op->window;
    uintptr_t delta = op->delta;
    const int32_t taps = (int32_t)(op->offsets_end - op->offsets);
    for (int32_t p = 0; p < op->pixels; p++) {
        for (const int32_t *stream = op->stream; stream != op->stream_end; window += 4) {
            const int32_t *factors = stream + 4 + 2 * taps + 2;
            int8_t four[4];
            for (int32_t c = 0; c < 4; c++) {
                four[c] = output_of(op, sum_of(op, window, stream, c), factors, c);
            }
            tg_copy((int8_t *)(window + delta), four, 4);
            stream = factors + (op->general ? 12 : 8);
        }
        window += (uintptr_t)(intptr_t)op->window_step;
        delta += (uintptr_t)(intptr_t)op->delta_step;
    }
}

#endif
