/* Fully connected layers on DSP instructions: four rows of the matrix at a time, from weights of
 * eight bits that lie two rows to a halfword.
 *
 * A halfword is wa + 256 * wb. Multiplied as they are the halfwords sum up to A + 256 B, their
 * sign-extended low bytes to A; (A + 256 B - A) / 256 is B again as long as |B| < 2^23, which the
 * compiler has proven. So a word, loaded once, makes four multiply-accumulates in three
 * instructions.
 *
 * stream: blocks of four rows a b c d. A block begins with the sums' biases: a, a + 256 b, c,
 * c + 256 d. Then follow, for every four inputs k0 k1 k2 k3, the words (k0, k2), (k1, k3) of a and
 * b, and the same of c and d. Inputs count in steps of eight; where the layer has less, the rest of
 * the weights are 0. factors: multiplier m, rounding c = 2^(e - 1) + zero point * 2^e and exponent
 * e, 1 <= e <= 22: output = saturate(((high word of 2 * sum * m, rounded) + c - (1 if sum < 0)) >>
 * e), which is TFLM's two roundings of sum * m * 2^(-31 - e). */
#ifndef TG_DENSE_PAIR8_H
#define TG_DENSE_PAIR8_H

#include "../tg_dsp.h"

typedef struct {
    int32_t batches;
    int32_t inputs;  /* elements of an input row */
    int32_t outputs; /* elements of an output row */
    int32_t output_min;
    int32_t output_max;
    const int32_t *stream;  /* [blocks][4 + 8 * steps] */
    const int32_t *factors; /* m, c, e; once, or for each output of the blocks */
    int32_t factor_step;    /* bytes from one output's factor to the next: 0 or 12 */
} tg_dense_pair8_t;

typedef tg_dense_pair8_t tg_fully_connected_pair8_t;
typedef tg_dense_pair8_t tg_fully_connected_pair8_direct_t;

/* Widens an input row to int16 in scratch memory before it writes the row's outputs: of a single
 * row, the output may overlap the input at will. scratch: 2 bytes for each input, in steps of
 * eight. */
void tg_fully_connected_pair8(const tg_fully_connected_pair8_t *op, const int8_t *input,
                              int8_t *output, int8_t *scratch);

/* Widens the inputs anew for each block instead: an eighth of an instruction more per
 * multiply-accumulate, but no scratch memory. `inputs` is a multiple of eight; the output must not
 * overlap the input. */
void tg_fully_connected_pair8_direct(const tg_fully_connected_pair8_direct_t *op,
                                     const int8_t *input, int8_t *output);

/* Widens an input row to words (k0, k2), (k1, k3); what is missing to a step of eight reads as 0.
 * Returns the end. */
uint32_t *tg_dense_widen(const int8_t *input, int32_t count, uint32_t *words);

/* Some blocks of rows with one input row. The assembly knows the order of the fields. */
typedef struct {
    const int32_t *stream;
    const void *values; /* aligned to 4 */
    uint32_t odd;       /* whether the number of steps is */
    const void *values_end;
    const int32_t *factors;
    int8_t *output;      /* four bytes a block */
    int32_t factor_step; /* bytes */
    const int8_t *output_end;
} tg_dense_rows_t;

typedef void tg_dense_rows_kernel_t(const tg_dense_rows_t *rows);

tg_dense_rows_kernel_t tg_dense_rows_int16; /* values: words (k0, k2), (k1, k3) of int16 */
tg_dense_rows_kernel_t tg_dense_rows_int8;  /* values: int8 */

/* All blocks with one input row. */
void tg_dense_row(const tg_dense_pair8_t *op, const void *values, const void *values_end,
                  int8_t *output, tg_dense_rows_kernel_t *kernel);

#if TG_DSP

/* clang-format off */
/* Four inputs of int16 in x0, x1 by four rows: sums of a and b in r8, r9, of c and d in r10, r11. */
#define TG_DENSE_WORD(x, w, low, both)              \
    "smlad " both ", " x ", " w ", " both "\n"      \
    "sxtb16 " w ", " w "\n"                         \
    "smlad " low ", " x ", " w ", " low "\n"
#define TG_DENSE_FOUR(x0, x1)                       \
    "ldm lr!, {r4-r7}\n"                            \
    TG_DENSE_WORD(x0, "r4", "r8", "r9")             \
    TG_DENSE_WORD(x1, "r5", "r8", "r9")             \
    TG_DENSE_WORD(x0, "r6", "r10", "r11")           \
    TG_DENSE_WORD(x1, "r7", "r10", "r11")
#define TG_DENSE_STEP(load)                         \
    load                                            \
    TG_DENSE_FOUR("r0", "r1")                       \
    TG_DENSE_FOUR("r2", "r3")
#define TG_DENSE_OUTPUT(sum)                        \
    "ldm r3, {r0-r2}\n"                             \
    "add r3, r5\n"                                  \
    "add r1, r1, " sum ", asr #31\n"                \
    "smmlar " sum ", " sum ", r0, r1\n"             \
    "asr " sum ", " sum ", r2\n"                    \
    "ssat " sum ", #8, " sum "\n"                   \
    "strb " sum ", [r4], #1\n"

/* The body of a tg_dense_rows_kernel_t; load: puts eight inputs into r0-r3 from r12.
 * Stack: 0 values, 4 odd, 8 values_end, 12 factors, 16 output, 20 factor_step, 24 output_end. */
#define TG_DENSE_ROWS(load)                         \
    __asm__ volatile(                               \
        ".syntax unified\n"                         \
        "push {r4-r11, lr}\n"                       \
        "ldm r0, {r1-r8}\n"                         \
        "push {r2-r8}\n"                            \
        "mov lr, r1\n"                              \
        "1:\n"                                      \
        "ldm lr!, {r8-r11}\n"                       \
        "ldrd r12, r3, [sp]\n"                      \
        "cbnz r3, 3f\n"                             \
        "2:\n"                                      \
        TG_DENSE_STEP(load)                         \
        "3:\n"                                      \
        TG_DENSE_STEP(load)                         \
        "ldr r0, [sp, #8]\n"                        \
        "cmp r12, r0\n"                             \
        "bne 2b\n"                                  \
        "sub r9, r9, r8\n"                          \
        "sub r11, r11, r10\n"                       \
        "asr r9, r9, #7\n"                          \
        "asr r11, r11, #7\n"                        \
        "lsl r8, r8, #1\n"                          \
        "lsl r10, r10, #1\n"                        \
        "add r7, sp, #12\n"                         \
        "ldm r7, {r3-r6}\n"                         \
        TG_DENSE_OUTPUT("r8")                       \
        TG_DENSE_OUTPUT("r9")                       \
        TG_DENSE_OUTPUT("r10")                      \
        TG_DENSE_OUTPUT("r11")                      \
        "strd r3, r4, [sp, #12]\n"                  \
        "cmp r4, r6\n"                              \
        "bne 1b\n"                                  \
        "add sp, #28\n"                             \
        "pop {r4-r11, pc}\n")
/* clang-format on */

#else

/* Inputs 4 * word to 4 * word + 3 as words (k0, k2), (k1, k3). */
typedef void tg_dense_load_t(const void *values, int32_t word, uint32_t x[2]);

static inline void tg_dense_rows_portable(const tg_dense_rows_t *op, int32_t words,
                                          tg_dense_load_t *load) {
    const int32_t *w = op->stream;
    const int32_t *factor = op->factors;
    for (int8_t *output = op->output; output != op->output_end;) {
        int32_t sums[4] = {w[0], w[1], w[2], w[3]};
        w += 4;
        for (int32_t i = 0; i < words; i++) {
            uint32_t x[2];
            load(op->values, i, x);
            for (int32_t half = 0; half < 4; half += 2) {
                for (int32_t k = 0; k < 2; k++, w++) {
                    const uint32_t both = (uint32_t)*w;
                    sums[half + 1] = tg_smlad(x[k], both, sums[half + 1]);
                    sums[half] = tg_smlad(x[k], tg_sxtb16(both), sums[half]);
                }
            }
        }
        sums[1] = (int32_t)((uint32_t)sums[1] - (uint32_t)sums[0]) >> 8;
        sums[3] = (int32_t)((uint32_t)sums[3] - (uint32_t)sums[2]) >> 8;
        for (int32_t i = 0; i < 4; i++) {
            const int32_t rounding = factor[1] - (sums[i] < 0 ? 1 : 0);
            *output++ = (int8_t)tg_ssat8(tg_smmlar(2 * sums[i], factor[0], rounding) >> factor[2]);
            factor += op->factor_step / 4;
        }
    }
}

#endif

#endif /* TG_DENSE_PAIR8_H */
