#include "tg_pool_packed.h"

static int8_t *mean(const tg_pool_2d_t *op, tg_pool_window_t window, int8_t *output) {
    const int32_t count = window.rows * window.columns;
    const int32_t half = count / 2;
    tg_pool_pixels_t pixels = {
        .rows = window.rows,
        .columns = window.columns,
        .step = op->channels,
        .row_gap = (op->input_width - window.columns) * op->channels,
    };
    if (pixels.row_gap == 0) {
        pixels.rows = 1;
        pixels.columns = count;
    }
    int32_t sums[TG_POOL_BLOCK];
    for (int32_t done = 0; done < op->channels;) {
        const int32_t made = tg_pool_sums(&pixels, window.data + done, op->channels - done, sums);
        for (int32_t i = 0; i < made; i++) {
            const int32_t rounded = (sums[i] > 0 ? sums[i] + half : sums[i] - half) / count;
            *output++ = (int8_t)rounded;
        }
        done += made;
    }
    return output;
}

void tg_average_pool_2d_packed(const tg_average_pool_2d_packed_t *op, const int8_t *input,
                               int8_t *output) {
    const bool clamp = op->output_min > INT8_MIN || op->output_max < INT8_MAX;
    for (int32_t b = 0; b < op->batches; b++) {
        for (int32_t y = 0; y < op->output_height; y++) {
            for (int32_t x = 0; x < op->output_width; x++) {
                int8_t *end = mean(op, tg_pool_window(op, input, y, x), output);
                if (clamp) {
                    tg_clamp_bytes(output, op->channels, op->output_min, op->output_max);
                }
                output = end;
            }
        }
        input += op->input_height * op->input_width * op->channels;
    }
}
