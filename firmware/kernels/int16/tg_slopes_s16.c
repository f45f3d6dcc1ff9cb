#include "tg_elementwise_s16.h"

void tg_slopes_s16(const tg_slopes_s16_t *op, const int16_t *input, int16_t *output) {
    for (int32_t i = op->elements; i > 0; i--) {
        const int32_t x = *input++;
        const tg_rescale_t slope = x >= 0 ? op->positive : op->negative;
        const int32_t scaled = tg_requantize(x, slope.multiplier, slope.shift);
        *output++ = (int16_t)tg_clamp(scaled, op->min, op->max);
    }
}
