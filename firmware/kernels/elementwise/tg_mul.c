#include "tg_elementwise.h"

void tg_mul(const tg_mul_t *op, const int8_t *first, const int8_t *second, int8_t *output) {
    const tg_broadcast_t *shape = &op->shape;
    tg_rows_t rows = {.first = first, .second = second};
    do {
        const int8_t *a = rows.first;
        const int8_t *b = rows.second;
        for (int32_t i = shape->row; i > 0; i--) {
            const int32_t product = (*a - op->first_zero_point) * (*b - op->second_zero_point);
            const int32_t scaled = tg_requantize(product, op->output.multiplier, op->output.shift) +
                                   op->output_zero_point;
            *output++ = (int8_t)tg_clamp(scaled, op->output_min, op->output_max);
            a += shape->first_step;
            b += shape->second_step;
        }
    } while (tg_next_row(shape, &rows));
}
