#include "tg_elementwise_s16.h"

/* Of a magnitude in units of 1 / (24 * 256): 1 / (1 + exp(-2 x)) with 24 fraction bits. */
static int32_t logistic_of_twice(const uint16_t *table, uint32_t magnitude) {
    const uint32_t at = magnitude >> 8;
    if (at >= 255) {
        return INT32_C(0xFFFF) << 8;
    }
    const uint32_t low = table[at];
    return (int32_t)((low << 8) + (magnitude & 255U) * (table[at + 1] - low));
}

void tg_tanh_s16(const tg_tanh_s16_t *op, const int16_t *input, int16_t *output) {
    const int32_t one_half = INT32_C(1) << 23;
    const int32_t half = INT32_C(1) << 7; /* of the output's last bit */
    for (int32_t i = op->elements; i > 0; i--) {
        const int32_t x = tg_sigmoid_argument(op, *input++);
        const int32_t y = logistic_of_twice(op->table, (uint32_t)(x < 0 ? -x : x)) - one_half;
        *output++ = (int16_t)((x >= 0 ? y + half : half - 1 - y) >> 8);
    }
}
