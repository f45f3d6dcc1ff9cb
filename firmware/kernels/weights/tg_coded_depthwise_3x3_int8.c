#include "tg_coded_depthwise.h"

void tg_coded_depthwise_3x3_int8(const tg_coded_depthwise_3x3_int8_t *op, const int8_t *input,
                                 int8_t *output, int8_t *scratch) {
    tg_depthwise_3x3_int8_t layer = op->layer;
    layer.weights = tg_weights_all(&op->weights, scratch);
    tg_depthwise_3x3_int8(&layer, input, output, scratch + op->decoded_bytes);
}
