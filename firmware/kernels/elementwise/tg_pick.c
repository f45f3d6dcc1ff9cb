#include "tg_elementwise.h"

void tg_pick(const tg_pick_t *op, const int8_t *first, const int8_t *second, int8_t *output) {
    const tg_broadcast_t *shape = &op->shape;
    tg_rows_t rows = {.first = first, .second = second};
    do {
        const int8_t *a = rows.first;
        const int8_t *b = rows.second;
        for (int32_t i = shape->row; i > 0; i--) {
            *output++ = (*a > *b) == op->larger ? *a : *b;
            a += shape->first_step;
            b += shape->second_step;
        }
    } while (tg_next_row(shape, &rows));
}
