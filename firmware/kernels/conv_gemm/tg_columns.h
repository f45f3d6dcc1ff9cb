/* Columns of int16 made of int8 in memory; see tg_conv_gemm.h. */
#ifndef TG_COLUMNS_H
#define TG_COLUMNS_H

#include "conv_gemm/tg_conv_gemm.h"

/* One step of a column from four bytes of each window. Returns where the next step goes. */
static inline uint32_t *tg_column_step(uint32_t a, uint32_t b, uint32_t *column) {
    column[0] = tg_sxtb16(a);
    column[1] = tg_sxtb16_odd(a);
    column[2] = tg_sxtb16(b);
    column[3] = tg_sxtb16_odd(b);
    return column + 4;
}

static inline uint32_t *tg_column_words(const int8_t *a, const int8_t *b, int32_t words,
                                        uint32_t *column) {
    for (; words >= 2; words -= 2, a += 8, b += 8) {
        column = tg_column_step(tg_load4(a), tg_load4(b), column);
        column = tg_column_step(tg_load4(a + 4), tg_load4(b + 4), column);
    }
    if (words > 0) {
        column = tg_column_step(tg_load4(a), tg_load4(b), column);
    }
    return column;
}

/* The micro-kernel, and the clamp that SSAT leaves to do. */
static inline void tg_gemm_pixels(const tg_gemm_t *op, const uint32_t *column, int8_t *first,
                                  int8_t *second, tg_gemm_kernel_t *gemm) {
    gemm(op, column, first, second);
    if (op->output_min > INT8_MIN || op->output_max < INT8_MAX) {
        tg_clamp_bytes(first, op->channels, op->output_min, op->output_max);
        tg_clamp_bytes(second, op->channels, op->output_min, op->output_max);
    }
}

#endif /* TG_COLUMNS_H */
