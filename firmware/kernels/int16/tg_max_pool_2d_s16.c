#include "tg_pool_s16.h"

/* The largest value of one channel. */
static int32_t reduce(const tg_pool_window_s16_t *window, int32_t channel, int32_t channels) {
    const int16_t *value = window->data + channel;
    int32_t largest = INT16_MIN;
    for (int32_t r = 0; r < window->rows; r++) {
        for (int32_t c = 0; c < window->columns; c++, value += channels) {
            largest = tg_max(largest, *value);
        }
        value += window->row_gap;
    }
    return largest;
}

void tg_max_pool_2d_s16(const tg_max_pool_2d_s16_t *op, const int16_t *input, int16_t *output) {
    for (int32_t b = 0; b < op->batches; b++) {
        for (int32_t y = 0; y < op->output_height; y++) {
            for (int32_t x = 0; x < op->output_width; x++) {
                const tg_pool_window_s16_t window = tg_pool_window_s16(op, input, y, x);
                for (int32_t c = 0; c < op->channels; c++) {
                    const int32_t value = reduce(&window, c, op->channels);
                    *output++ = (int16_t)tg_clamp(value, op->output_min, op->output_max);
                }
            }
        }
        input += op->input_height * op->input_width * op->channels;
    }
}
