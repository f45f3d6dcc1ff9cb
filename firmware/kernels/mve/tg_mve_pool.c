#include "tg_mve_pool.h"

static int8_t *pixel(const tg_pool_2d_t *op, tg_pool_window_t window, int8_t *output,
                     tg_mve_pool_kernel_t *kernel) {
    for (int32_t left = op->channels; left > 0; left -= TG_MVE_BYTES) {
        const int32_t count = tg_min(left, TG_MVE_BYTES);
        kernel(op, window, count, output);
        window.data += count;
        output += count;
    }
    return output;
}

void tg_mve_pool(const tg_pool_2d_t *op, const int8_t *input, int8_t *output,
                 tg_mve_pool_kernel_t *kernel) {
    for (int32_t b = 0; b < op->batches; b++) {
        for (int32_t y = 0; y < op->output_height; y++) {
            for (int32_t x = 0; x < op->output_width; x++) {
                output = pixel(op, tg_pool_window(op, input, y, x), output, kernel);
            }
        }
        input += op->input_height * op->input_width * op->channels;
    }
}
