#include "tg_mve_pool.h"

static void largest(const tg_pool_2d_t *op, tg_pool_window_t window, int32_t count,
                    int8_t *output) {
    const int32_t row_bytes = op->input_width * op->channels;
#if TG_MVE
    const mve_pred16_t inside = vctp8q((uint32_t)count);
    int8x16_t result = vdupq_n_s8((int8_t)op->output_min);
    for (int32_t r = window.rows; r > 0; r--, window.data += row_bytes) {
        const int8_t *pixel = window.data;
        for (int32_t c = window.columns; c > 0; c--, pixel += op->channels) {
            result = vmaxq_s8(result, vldrbq_z_s8(pixel, inside));
        }
    }
    vstrbq_p_s8(output, vminq_s8(result, vdupq_n_s8((int8_t)op->output_max)), inside);
#else
    for (int32_t i = 0; i < count; i++) {
        int32_t result = op->output_min;
        for (int32_t at = 0; at < window.rows * window.columns; at++) {
            const int32_t row = at / window.columns;
            const int32_t column = at % window.columns;
            result = tg_max(result, window.data[row * row_bytes + column * op->channels + i]);
        }
        output[i] = (int8_t)tg_min(result, op->output_max);
    }
#endif
}

void tg_max_pool_2d_mve(const tg_max_pool_2d_mve_t *op, const int8_t *input, int8_t *output) {
    tg_mve_pool(op, input, output, largest);
}
