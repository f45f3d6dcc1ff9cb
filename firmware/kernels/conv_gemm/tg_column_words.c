#include "tg_conv_gemm.h"

#if TG_DSP

#pragma GCC diagnostic ignored "-Wunused-parameter" /* assembly takes them from registers */

/* clang-format off */

/* Four bytes of each window. Compilers store the eight words one by one, which costs half as much
 * again. */
#define WIDEN(even_a, odd_a, even_b, odd_b)  \
    "ldr r12, [r0], #4\n"                    \
    "sxtb16 " even_a ", r12\n"               \
    "sxtb16 " odd_a ", r12, ror #8\n"        \
    "ldr r12, [r1], #4\n"                    \
    "sxtb16 " even_b ", r12\n"               \
    "sxtb16 " odd_b ", r12, ror #8\n"

TG_NAKED uint32_t *tg_column_words(const int8_t *a, const int8_t *b, int32_t words,
                                   uint32_t *column) {
    __asm__ volatile(
        ".syntax unified\n"
        "push {r4-r11}\n"
        "tst r2, #1\n"
        "beq 1f\n"
        WIDEN("r4", "r5", "r6", "r7")
        "stm r3!, {r4-r7}\n"
        "subs r2, #1\n"
        "beq 2f\n"
        "1:\n"
        WIDEN("r4", "r5", "r6", "r7")
        WIDEN("r8", "r9", "r10", "r11")
        "stm r3!, {r4-r11}\n"
        "subs r2, #2\n"
        "bne 1b\n"
        "2:\n"
        "mov r0, r3\n"
        "pop {r4-r11}\n"
        "bx lr\n");
}

/* clang-format on */

#else

uint32_t *tg_column_words(const int8_t *a, const int8_t *b, int32_t words, uint32_t *column) {
    for (; words > 0; words--, a += 4, b += 4, column += 4) {
        column[0] = tg_sxtb16(tg_load4(a));
        column[1] = tg_sxtb16_odd(tg_load4(a));
        column[2] = tg_sxtb16(tg_load4(b));
        column[3] = tg_sxtb16_odd(tg_load4(b));
    }
    return column;
}

#endif
