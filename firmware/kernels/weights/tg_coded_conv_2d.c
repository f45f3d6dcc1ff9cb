#include "tg_coded_conv.h"

void tg_coded_conv_2d(const tg_coded_conv_2d_t *op, const int8_t *input, int8_t *output,
                      int8_t *scratch) {
    tg_conv_2d_t layer = op->layer;
    layer.filters.weights = tg_weights_all(&op->weights, scratch);
    tg_conv_2d(&layer, input, output, scratch + op->decoded_bytes);
}
