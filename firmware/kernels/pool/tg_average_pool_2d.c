#include "tg_pool.h"

static int32_t sum_of(const int8_t *pixel, tg_pool_window_t window, int32_t channels,
                      int32_t row_gap) {
    int32_t sum = 0;
    for (int32_t r = 0; r < window.rows; r++) {
        for (int32_t c = 0; c < window.columns; c++) {
            sum += *pixel;
            pixel += channels;
        }
        pixel += row_gap;
    }
    return sum;
}

static int8_t *mean(const tg_average_pool_2d_t *op, tg_pool_window_t window, int8_t *output) {
    const int32_t count = window.rows * window.columns;
    const int32_t half = count / 2;
    const int32_t row_gap = (op->input_width - window.columns) * op->channels;
    for (int32_t c = 0; c < op->channels; c++) {
        const int32_t sum = sum_of(window.data + c, window, op->channels, row_gap);
        const int32_t rounded = (sum > 0 ? sum + half : sum - half) / count;
        *output++ = (int8_t)tg_clamp(rounded, op->output_min, op->output_max);
    }
    return output;
}

void tg_average_pool_2d(const tg_average_pool_2d_t *op, const int8_t *input, int8_t *output) {
    for (int32_t b = 0; b < op->batches; b++) {
        for (int32_t y = 0; y < op->output_height; y++) {
            for (int32_t x = 0; x < op->output_width; x++) {
                output = mean(op, tg_pool_window(op, input, y, x), output);
            }
        }
        input += op->input_height * op->input_width * op->channels;
    }
}
