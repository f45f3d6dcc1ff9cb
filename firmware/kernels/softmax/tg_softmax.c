#include "tg_softmax.h"

void tg_softmax(const tg_softmax_t *op, const int8_t *input, int8_t *output) {
    for (int32_t r = 0; r < op->rows; r++) {
        const tg_softmax_row_t row = tg_softmax_row(op, input);
        for (int32_t i = 0; i < op->depth; i++) {
            const int32_t share = tg_softmax_share(op, &row, *input++, 8);
            *output++ = (int8_t)(tg_min(share, 255) + INT8_MIN);
        }
    }
}
