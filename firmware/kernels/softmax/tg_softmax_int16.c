#include "tg_softmax.h"

void tg_softmax_int16(const tg_softmax_t *op, const int8_t *input, int16_t *output) {
    for (int32_t r = 0; r < op->rows; r++) {
        const tg_softmax_row_t row = tg_softmax_row(op, input);
        for (int32_t i = 0; i < op->depth; i++) {
            const int32_t share = tg_softmax_share(op, &row, *input++, 16);
            *output++ = (int16_t)(tg_min(share, 65535) + INT16_MIN);
        }
    }
}
