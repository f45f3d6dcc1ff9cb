#include "tg_conv_gemm.h"

void tg_conv_ring_int16(const tg_conv_ring_int16_t *op, const int8_t *input, int8_t *output,
                        int8_t *scratch) {
    tg_conv_ring_gemm(op, input, output, scratch, tg_gemm_int16);
}
