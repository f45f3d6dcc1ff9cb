#include "tg_quantize.h"

void tg_quantize_int16(const tg_quantize_t *op, const float *input, int16_t *output) {
    for (int32_t i = op->elements; i > 0; i--) {
        const int32_t stored = tg_round_quotient(*input++, op->scale) + op->zero_point;
        *output++ = (int16_t)tg_clamp(stored, INT16_MIN, INT16_MAX);
    }
}
