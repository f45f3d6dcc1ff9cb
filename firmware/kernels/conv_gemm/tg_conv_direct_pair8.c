#include "tg_conv_gemm.h"

void tg_conv_direct_pair8(const tg_conv_direct_pair8_t *op, const int8_t *input, int8_t *output,
                          int8_t *scratch) {
    tg_conv_direct_gemm(op, input, output, scratch, tg_gemm_pair8);
}
