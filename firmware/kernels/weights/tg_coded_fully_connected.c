#include "tg_coded_dense.h"

void tg_coded_fully_connected(const tg_coded_fully_connected_t *op, const int8_t *input,
                              int8_t *output, int8_t *scratch) {
    tg_fully_connected_t row = op->layer;
    tg_weights_reader_t reader;
    tg_weights_start(&op->weights, &reader);
    row.outputs = 1;
    row.weights = scratch;
    for (int32_t o = 0; o < op->layer.outputs; o++) {
        op->weights.decode(&reader, scratch);
        tg_fully_connected(&row, input, output + o);
        row.channels.bias++;
        row.channels.multiplier += row.channels.step;
        row.channels.shift += row.channels.step;
    }
}
