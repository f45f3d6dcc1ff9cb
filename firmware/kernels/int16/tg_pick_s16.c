#include "tg_elementwise_s16.h"

void tg_pick_s16(const tg_pick_s16_t *op, const int16_t *first, const int16_t *second,
                 int16_t *output) {
    const tg_broadcast_t *shape = &op->shape;
    tg_rows_s16_t rows = {.first = first, .second = second};
    do {
        const int16_t *a = rows.first;
        const int16_t *b = rows.second;
        for (int32_t i = shape->row; i > 0; i--) {
            *output++ = (*a > *b) == (op->larger != 0) ? *a : *b;
            a += shape->first_step;
            b += shape->second_step;
        }
    } while (tg_next_row_s16(shape, &rows));
}
