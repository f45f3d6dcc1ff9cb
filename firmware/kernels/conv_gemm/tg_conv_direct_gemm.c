#include "conv_gemm/tg_columns.h"

/* The last bytes of a window, which don't fill a word: nothing behind them may be read. */
static uint32_t load_rest(const int8_t *bytes, int32_t count) {
    uint32_t word = 0;
    while (count-- > 0) {
        word = (word << 8) | (uint8_t)bytes[count];
    }
    return word;
}

void tg_conv_direct_gemm(const tg_conv_direct_gemm_t *op, const int8_t *input, int8_t *output,
                         int8_t *scratch, tg_gemm_kernel_t *gemm) {
    uint32_t *const column = (uint32_t *)(void *)scratch;
    const int32_t whole = 4 * op->words;
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
        uint32_t *rest = tg_column_words(window[0], window[1], op->words, column);
        if (op->rest > 0) {
            (void)tg_column_step(load_rest(window[0] + whole, op->rest),
                                 load_rest(window[1] + whole, op->rest), rest);
        }
        tg_gemm_pixels(&op->gemm, column, output, second, gemm);
        output = second + op->gemm.channels;
    }
}
