#include "tg_depthwise_taps.h"

void tg_depthwise_taps(const tg_depthwise_taps_t *op, const int8_t *input, int8_t *output,
                       int8_t *scratch) {
    tg_depthwise_windows_of(&op->geometry, op->stream, input, output, scratch);
}
