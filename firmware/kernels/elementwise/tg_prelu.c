#include "tg_elementwise.h"

void tg_prelu(const tg_prelu_t *op, const int8_t *input, const int8_t *alpha, int8_t *output) {
    const tg_broadcast_t *shape = &op->shape;
    tg_rows_t rows = {.first = input, .second = alpha};
    do {
        const int8_t *a = rows.first;
        const int8_t *b = rows.second;
        for (int32_t i = shape->row; i > 0; i--) {
            int32_t x = *a - op->input_zero_point;
            tg_rescale_t factor = op->positive;
            if (x < 0) {
                x *= *b - op->alpha_zero_point;
                factor = op->negative;
            }
            const int32_t scaled =
                tg_requantize(x, factor.multiplier, factor.shift) + op->output_zero_point;
            *output++ = (int8_t)tg_clamp(scaled, INT8_MIN, INT8_MAX);
            a += shape->first_step;
            b += shape->second_step;
        }
    } while (tg_next_row(shape, &rows));
}
