#include "tg_pool_packed.h"

void tg_mean_pixels(const tg_mean_pixels_t *op, const int8_t *input, int8_t *output) {
    const tg_pool_pixels_t pixels = {.rows = 1, .columns = op->pixels, .step = op->channels};
    int32_t sums[TG_POOL_BLOCK];
    for (int32_t done = 0; done < op->channels;) {
        const int32_t made = tg_pool_sums(&pixels, input + done, op->channels - done, sums);
        for (int32_t i = 0; i < made; i++) {
            const int32_t scaled =
                tg_requantize(op->bias + sums[i], op->rescale.multiplier, op->rescale.shift);
            *output++ = (int8_t)tg_clamp(scaled + op->output_zero_point, INT8_MIN, INT8_MAX);
        }
        done += made;
    }
}
