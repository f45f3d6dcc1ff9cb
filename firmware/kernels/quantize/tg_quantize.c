#include "tg_quantize.h"

void tg_quantize(const tg_quantize_t *op, const float *input, int8_t *output) {
    for (int32_t i = op->elements; i > 0; i--) {
        const int32_t stored = tg_round_quotient(*input++, op->scale) + op->zero_point;
        *output++ = (int8_t)tg_clamp(stored, INT8_MIN, INT8_MAX);
    }
}
