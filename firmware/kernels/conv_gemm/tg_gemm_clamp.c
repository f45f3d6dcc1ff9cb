#include "conv_gemm/tg_conv_gemm.h"

void tg_gemm_clamp(const tg_gemm_t *op, int8_t *first, const int8_t *second) {
    const int32_t bytes = (int32_t)(second - first) + op->channels;
    tg_clamp_bytes(first, bytes, op->output_min, op->output_max);
}
