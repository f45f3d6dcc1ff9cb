#include "tg_elementwise.h"

/* Room for fractions: the largest difference of two int8 values, 255, still fits in 28 bits. */
#define FRACTION_BITS 20

/* x times a factor below one, as tg_requantize without a left shift. */
static inline int32_t scale_down(int32_t x, tg_rescale_t factor) {
    return tg_divide_by_pot(tg_high_mul(x, factor.multiplier), -factor.shift);
}

void tg_add(const tg_add_t *op, const int8_t *first, const int8_t *second, int8_t *output) {
    const tg_broadcast_t *shape = &op->shape;
    tg_rows_t rows = {.first = first, .second = second};
    do {
        const int8_t *a = rows.first;
        const int8_t *b = rows.second;
        for (int32_t i = shape->row; i > 0; i--) {
            const int32_t x = tg_shift_left(*a - op->first_zero_point, FRACTION_BITS);
            const int32_t y = tg_shift_left(*b - op->second_zero_point, FRACTION_BITS);
            const int32_t sum =
                scale_down(x, op->first) + op->second_sign * scale_down(y, op->second);
            const int32_t scaled = scale_down(sum, op->output) + op->output_zero_point;
            *output++ = (int8_t)tg_clamp(scaled, op->output_min, op->output_max);
            a += shape->first_step;
            b += shape->second_step;
        }
    } while (tg_next_row(shape, &rows));
}
