#include "tg_coded_dense.h"

/* A block of four outputs after the other. layer.stream: the blocks' biases alone, [blocks][4]. */
void tg_coded_fully_connected_pair8_direct(const tg_coded_fully_connected_pair8_direct_t *op,
                                           const int8_t *input, int8_t *output, int8_t *scratch) {
    tg_dense_pair8_t block = op->layer;
    tg_weights_reader_t reader;
    tg_weights_start(&op->weights, &reader);
    block.stream = (const int32_t *)(const void *)scratch;
    for (int32_t o = 0; o < op->layer.outputs; o += 4) {
        tg_copy(scratch, op->layer.stream + o, 16);
        op->weights.decode(&reader, scratch + 16);
        block.outputs = tg_min(op->layer.outputs - o, 4);
        tg_dense_row(&block, input, input + block.inputs, output + o, tg_dense_rows_int8);
        block.factors += block.factor_step;
    }
}
