#include "tg_elementwise_s16.h"

void tg_mul_s16(const tg_mul_s16_t *op, const int16_t *first, const int16_t *second,
                int16_t *output) {
    const tg_broadcast_t *shape = &op->shape;
    tg_rows_s16_t rows = {.first = first, .second = second};
    do {
        const int16_t *a = rows.first;
        const int16_t *b = rows.second;
        for (int32_t i = shape->row; i > 0; i--) {
            const int32_t scaled = tg_requantize(*a * *b, op->output.multiplier, op->output.shift);
            *output++ = (int16_t)tg_clamp(scaled, op->output_min, op->output_max);
            a += shape->first_step;
            b += shape->second_step;
        }
    } while (tg_next_row_s16(shape, &rows));
}
