#include "tg_quantize.h"

void tg_dequantize_int16(const tg_dequantize_int16_t *op, const int16_t *input, float *output) {
    for (int32_t i = op->elements; i > 0; i--) {
        *output++ = (float)(*input++ - op->zero_point) * op->scale;
    }
}
