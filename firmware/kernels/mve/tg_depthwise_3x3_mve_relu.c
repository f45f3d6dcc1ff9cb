#include "tg_mve_depthwise.h"

static void rows(const tg_mve_depthwise_t *op, const int8_t *strip, bool pair, int8_t *output) {
    tg_mve_depthwise_pair(op, strip, pair, output, tg_mve_tiles_relu);
}

void tg_depthwise_3x3_mve_relu(const tg_depthwise_3x3_mve_relu_t *op, const int8_t *input,
                               int8_t *output, int8_t *scratch) {
    tg_mve_depthwise(op, input, output, scratch, 1, rows);
}
