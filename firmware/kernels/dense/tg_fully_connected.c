#include "dense/tg_dense.h"

void tg_fully_connected(const tg_fully_connected_t *op, const int8_t *input, int8_t *output) {
    for (int32_t b = 0; b < op->batches; b++) {
        const int8_t *row = op->weights;
        for (int32_t o = 0; o < op->outputs; o++) {
            int32_t sum = op->channels.bias[o];
            for (int32_t i = 0; i < op->inputs; i++) {
                sum += row[i] * input[i];
            }
            row += op->inputs;
            *output++ = tg_channel_output(&op->channels, o, sum, op->output_zero_point,
                                          op->output_min, op->output_max);
        }
        input += op->inputs;
    }
}
