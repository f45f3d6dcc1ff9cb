#include "tg_depthwise.h"

void tg_depthwise_3x3_int16(const tg_depthwise_3x3_int16_t *op, const int8_t *input, int8_t *output,
                            int8_t *scratch) {
    tg_depthwise_strip(&op->strip, op->stream, NULL, input, output, scratch);
}
