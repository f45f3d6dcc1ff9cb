#include "tg_elementwise_s16.h"

/* Of a magnitude in units of 1 / (24 * 512): 25 fraction bits, between 1/2 and 1. */
static uint32_t logistic(const uint16_t *table, uint32_t magnitude) {
    const uint32_t at = magnitude >> 9;
    if (at >= 255) {
        return UINT32_C(0x7FFF) << 10;
    }
    const uint32_t low = table[at];
    return (low << 9) + (magnitude & 511U) * (table[at + 1] - low);
}

void tg_logistic_s16(const tg_logistic_s16_t *op, const int16_t *input, int16_t *output) {
    const uint32_t one = UINT32_C(1) << 25;
    const uint32_t half = UINT32_C(1) << 9; /* of the output's last bit */
    for (int32_t i = op->elements; i > 0; i--) {
        const int32_t x = tg_sigmoid_argument(op, *input++);
        const uint32_t y = logistic(op->table, (uint32_t)(x < 0 ? -x : x));
        *output++ = (int16_t)((x >= 0 ? y + half : one - y + half - 1U) >> 10);
    }
}
