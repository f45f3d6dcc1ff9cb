#include "tg_weights.h"

int8_t *tg_weights_all(const tg_weights_t *op, int8_t *target) {
    const int32_t *tail = op->tails;
    tg_weights_reader_t reader;
    tg_weights_start(op, &reader);
    for (int32_t r = 0; r < op->rows; r++) {
        int8_t *const row = target + r * op->row_bytes;
        op->decode(&reader, row);
        if (tail) {
            tg_copy(row + 8 * op->groups, tail, 16);
            tail += 4;
        }
    }
    return target;
}
