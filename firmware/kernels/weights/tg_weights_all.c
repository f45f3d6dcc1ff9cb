#include "tg_weights.h"

void tg_weights_all(const tg_weights_all_t *op, int8_t *target) {
    tg_weights_reader_t reader;
    tg_weights_start(op, &reader);
    for (int32_t r = 0; r < op->rows; r++) {
        op->decode(&reader, target);
        target += op->row_bytes;
    }
}
