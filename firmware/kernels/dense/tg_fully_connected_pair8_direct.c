#include "tg_dense_pair8.h"

void tg_fully_connected_pair8_direct(const tg_fully_connected_pair8_direct_t *op,
                                     const int8_t *input, int8_t *output) {
    for (int32_t b = 0; b < op->batches; b++) {
        tg_dense_row(op, input, input + op->inputs, output, tg_dense_rows_int8);
        input += op->inputs;
        output += op->outputs;
    }
}
