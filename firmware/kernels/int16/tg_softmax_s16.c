#include "tg_softmax_s16.h"

/* Interpolates in a table of 513 values; INT16_MIN is its start, INT16_MAX almost its end. */
static int32_t look_up(const int16_t *table, int32_t at) {
    const int16_t *base = table + 256 + (at >> 7);
    const int32_t slope = base[1] - base[0];
    return base[0] + ((slope * (at & 127) + 64) >> 7);
}

static int32_t largest_of(const int16_t *row, int32_t depth) {
    int32_t largest = INT16_MIN;
    for (int32_t i = 0; i < depth; i++) {
        largest = tg_max(largest, row[i]);
    }
    return largest;
}

/* Writes the exponentials of a row and returns their sum, both with 15 fraction bits. */
static uint32_t exponentials(const tg_softmax_s16_t *op, const int16_t *row, int16_t *output) {
    const int32_t largest = largest_of(row, op->depth);
    uint32_t sum = 0;
    for (int32_t i = 0; i < op->depth; i++) {
        const int32_t difference = row[i] - largest;
        const int32_t scaled = tg_requantize(difference, op->rescale.multiplier, op->rescale.shift);
        const int32_t value = look_up(op->exp, tg_max(scaled + INT16_MAX, INT16_MIN));
        output[i] = (int16_t)value;
        sum += (uint32_t)value;
    }
    return sum;
}

/* Divides a row by its sum, in place. */
static void normalize(const tg_softmax_s16_t *op, uint32_t sum, int16_t *row) {
    /* The sum is 1 + x, 0 <= x < 1, times 2^(right - 15). */
    int32_t right = 30;
    while (sum < UINT32_C(1) << 30) {
        sum <<= 1;
        right--;
    }
    const int32_t x = (int32_t)((sum + (UINT32_C(1) << 13)) >> 14) - (INT32_C(3) << 15);
    const int32_t reciprocal = look_up(op->reciprocal, tg_min(x, INT16_MAX));
    const int32_t half = INT32_C(1) << (right - 1);
    for (int32_t i = 0; i < op->depth; i++) {
        const int32_t share = (row[i] * reciprocal + half) >> right;
        row[i] = (int16_t)tg_clamp(share, 0, INT16_MAX);
    }
}

void tg_softmax_s16(const tg_softmax_s16_t *op, const int16_t *input, int16_t *output) {
    for (int32_t r = 0; r < op->rows; r++) {
        normalize(op, exponentials(op, input, output), output);
        input += op->depth;
        output += op->depth;
    }
}
