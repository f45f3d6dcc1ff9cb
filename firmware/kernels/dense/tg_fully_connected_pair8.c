#include "tg_dense_pair8.h"

void tg_fully_connected_pair8(const tg_fully_connected_pair8_t *op, const int8_t *input,
                              int8_t *output, int8_t *scratch) {
    uint32_t *values = (uint32_t *)(void *)scratch;
    for (int32_t b = 0; b < op->batches; b++) {
        const uint32_t *end = tg_dense_widen(input, op->inputs, values);
        tg_dense_row(op, values, end, output, tg_dense_rows_int16);
        input += op->inputs;
        output += op->outputs;
    }
}
