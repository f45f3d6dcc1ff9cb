#include "tg_dense.h"

void tg_fully_connected(const tg_fully_connected_t *op, const int8_t *input, int8_t *output) {
    for (int32_t b = 0; b < op->batches; b++) {
        const int8_t *row = op->weights;
        for (int32_t o = 0; o < op->outputs; o++) {
            uint32_t sum = (uint32_t)op->channels.bias[o]; /* wraps around, as TFLM's does */
            for (int32_t i = 0; i < op->inputs; i++) {
                sum += (uint32_t)(row[i] * input[i]);
            }
            row += op->inputs;
            *output++ = tg_channel_output(&op->channels, o, (int32_t)sum, op->output_zero_point,
                                          op->output_min, op->output_max);
        }
        input += op->inputs;
    }
}
