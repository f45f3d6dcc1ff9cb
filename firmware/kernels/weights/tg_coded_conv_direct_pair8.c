#include "tg_coded_gemm.h"

void tg_coded_conv_direct_pair8(const tg_coded_conv_direct_pair8_t *op, const int8_t *input,
                                int8_t *output, int8_t *scratch) {
    tg_conv_direct_pair8_t layer = op->layer;
    layer.gemm.stream = (const int32_t *)(const void *)tg_weights_all(&op->weights, scratch);
    tg_conv_direct_pair8(&layer, input, output, scratch + op->decoded_bytes);
}
