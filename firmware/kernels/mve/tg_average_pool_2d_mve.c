#include "tg_mve_pool.h"

/* Sums of up to sixteen channels. */
static void sum_up(const tg_pool_2d_t *op, tg_pool_window_t window, int32_t count,
                   int16_t sums[TG_MVE_BYTES]) {
    const int32_t row_bytes = op->input_width * op->channels;
    const int32_t step = op->channels;
#if TG_MVE
    int16x8_t low = vdupq_n_s16(0);
    int16x8_t high = low;
    for (int32_t r = window.rows; r > 0; r--, window.data += row_bytes) {
        const int8_t *pixel = window.data;
        if (count == TG_MVE_BYTES) {
            for (int32_t c = window.columns; c > 0; c--, pixel += step) {
                low = vaddq_s16(low, vldrbq_s16(pixel));
                high = vaddq_s16(high, vldrbq_s16(pixel + 8));
            }
        } else {
            const mve_pred16_t first = vctp16q((uint32_t)count);
            const mve_pred16_t second = vctp16q((uint32_t)tg_max(count - 8, 0));
            for (int32_t c = window.columns; c > 0; c--, pixel += step) {
                low = vaddq_s16(low, vldrbq_z_s16(pixel, first));
                high = vaddq_s16(high, vldrbq_z_s16(pixel + 8, second));
            }
        }
    }
    vstrhq_s16(sums, low);
    vstrhq_s16(sums + 8, high);
#else
    for (int32_t i = 0; i < count; i++) {
        sums[i] = 0;
        for (int32_t at = 0; at < window.rows * window.columns; at++) {
            const int32_t row = at / window.columns;
            const int32_t column = at % window.columns;
            sums[i] = (int16_t)(sums[i] + window.data[row * row_bytes + column * step + i]);
        }
    }
#endif
}

static void mean(const tg_pool_2d_t *op, tg_pool_window_t window, int32_t count, int8_t *output) {
    const int32_t pixels = window.rows * window.columns;
    const int32_t half = pixels / 2;
    const int32_t low = op->output_min;
    const int32_t high = op->output_max;
    int16_t sums[TG_MVE_BYTES];
    sum_up(op, window, count, sums);
    for (int32_t i = 0; i < count; i++) {
        const int32_t rounded = (sums[i] > 0 ? sums[i] + half : sums[i] - half) / pixels;
        output[i] = (int8_t)tg_clamp(rounded, low, high);
    }
}

void tg_average_pool_2d_mve(const tg_average_pool_2d_mve_t *op, const int8_t *input,
                            int8_t *output) {
    tg_mve_pool(op, input, output, mean);
}
