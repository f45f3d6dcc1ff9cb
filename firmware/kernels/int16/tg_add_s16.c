#include "tg_elementwise_s16.h"

/* Room for fractions: an int16 value still fits in 31 bits. */
#define FRACTION_BITS 15

/* x times a factor below one, as tg_requantize without a left shift. */
static inline int32_t scale_down(int32_t x, tg_rescale_t factor) {
    return tg_divide_by_pot(tg_high_mul(x, factor.multiplier), -factor.shift);
}

void tg_add_s16(const tg_add_s16_t *op, const int16_t *first, const int16_t *second,
                int16_t *output) {
    const tg_broadcast_t *shape = &op->shape;
    tg_rows_s16_t rows = {.first = first, .second = second};
    do {
        const int16_t *a = rows.first;
        const int16_t *b = rows.second;
        for (int32_t i = shape->row; i > 0; i--) {
            const int32_t x = scale_down(tg_shift_left(*a, FRACTION_BITS), op->first);
            const int32_t y = scale_down(tg_shift_left(*b, FRACTION_BITS), op->second);
            const int32_t scaled = scale_down(x + op->second_sign * y, op->output);
            *output++ = (int16_t)tg_clamp(scaled, op->output_min, op->output_max);
            a += shape->first_step;
            b += shape->second_step;
        }
    } while (tg_next_row_s16(shape, &rows));
}
