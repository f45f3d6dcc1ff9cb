#include "tg_conv_gemm.h"

void tg_gemm_clamp_bytes(const tg_gemm_t *op, int8_t *output, int32_t bytes) {
    tg_clamp_bytes(output, bytes, op->output_min, op->output_max);
}
