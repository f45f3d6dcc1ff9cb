#include "conv_gemm/tg_conv_gemm.h"

/* The last bytes of a window, which don't fill a word: nothing behind them may be read. */
static int32_t load_rest(const int8_t *bytes, int32_t count) {
    uint32_t word = 0;
    while (count-- > 0) {
        word = (word << 8) | (uint8_t)bytes[count];
    }
    return (int32_t)word;
}

static void build_column(const tg_conv_direct_gemm_t *op, const int8_t *a, const int8_t *b,
                         uint32_t *column) {
    if (op->words > 0) {
        column = tg_column_words(a, b, op->words, column);
    }
    if (op->rest > 0) {
        const int32_t whole = 4 * op->words;
        const int32_t rests[2] = {load_rest(a + whole, op->rest), load_rest(b + whole, op->rest)};
        (void)tg_column_words((const int8_t *)&rests[0], (const int8_t *)&rests[1], 1, column);
    }
}

void tg_conv_direct_gemm(const tg_conv_direct_gemm_t *op, const int8_t *input, int8_t *output,
                         int8_t *scratch, tg_gemm_kernel_t *gemm) {
    uint32_t *const column = (uint32_t *)(void *)scratch;
    const bool clamps = tg_gemm_clamps(&op->gemm);
    const int8_t *row = input;
    const int8_t *next = input;
    int32_t left = op->width;
    for (int32_t pixels = op->pixels; pixels > 0; pixels -= 2) {
        const int8_t *window[2];
        for (int32_t i = 0; i < 2; i++) {
            window[i] = next;
            next += op->stride_bytes;
            if (--left == 0) {
                left = op->width;
                row += op->row_bytes;
                next = row;
            }
        }
        int8_t *second = output + op->gemm.channels;
        if (pixels == 1) {
            window[1] = window[0];
            second = output;
        }
        build_column(op, window[0], window[1], column);
        gemm(&op->gemm, column, output, second);
        if (clamps) {
            tg_gemm_clamp(&op->gemm, output, second);
        }
        output = second + op->gemm.channels;
    }
}
