#include "tg_quantize.h"

void tg_dequantize(const tg_dequantize_t *op, const void *input, float *output) {
    const uint8_t *from = input;
    for (int32_t i = op->elements; i > 0; i--) {
        const int32_t stored = (int8_t)(*from++ ^ op->flip);
        *output++ = (float)(stored - op->zero_point) * op->scale;
    }
}
