#include "tg_elementwise_s16.h"

void tg_widen_s16(const tg_widen_s16_t *op, const int8_t *input, int16_t *output) {
    for (int32_t i = op->elements; i > 0; i--) {
        const int32_t x = *input++ - op->input_zero_point;
        const int32_t scaled = tg_requantize(x, op->rescale.multiplier, op->rescale.shift);
        *output++ = (int16_t)tg_clamp(scaled + op->output_zero_point, INT16_MIN, INT16_MAX);
    }
}
