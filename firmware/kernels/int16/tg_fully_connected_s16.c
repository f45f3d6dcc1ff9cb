#include "tg_layers_s16.h"

void tg_fully_connected_s16(const tg_fully_connected_s16_t *op, const int16_t *input,
                            int16_t *output) {
    for (int32_t b = 0; b < op->batches; b++) {
        tg_filters_s16(&op->filters, 0, op->outputs, input, output);
        input += op->filters.depth;
        output += op->outputs;
    }
}
