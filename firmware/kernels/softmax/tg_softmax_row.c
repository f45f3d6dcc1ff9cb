#include "tg_softmax.h"

/* The sum of a row has 12 integer and 19 fraction bits, as TFLM's. */
#define SUM_INTEGER_BITS 12

/* x * 2^exponent, saturated. */
static int32_t shift_left_saturating(int32_t x, int32_t exponent) {
    const int32_t limit = INT32_MAX >> exponent;
    if (x > limit) {
        return INT32_MAX;
    }
    return x < -limit ? INT32_MIN : tg_shift_left(x, exponent);
}

/* 1 / (1 + x) for 0 <= x < 1, both with 31 fraction bits: three steps of Newton and Raphson on a
 * linear first guess. (gemmlowp: one_over_one_plus_x_for_x_in_0_1; 2 integer bits inside) */
static int32_t one_over_one_plus(int32_t x) {
    const int32_t one = INT32_C(1) << 29;
    const int32_t half = (x >> 1) + (INT32_C(1) << 30); /* (1 + x) / 2 */
    /* 48/17 - 32/17 * half */
    int32_t guess = INT32_C(1515870810) + tg_high_mul(half, INT32_C(-1010580540));
    for (int32_t i = 0; i < 3; i++) {
        const int32_t error = one - tg_high_mul(half, guess);
        guess += shift_left_saturating(tg_high_mul(guess, error), 2);
    }
    return shift_left_saturating(guess, 1);
}

tg_softmax_row_t tg_softmax_row(const tg_softmax_t *op, const int8_t *row) {
    tg_softmax_row_t facts = {.largest = INT8_MIN, .octaves = SUM_INTEGER_BITS};
    for (int32_t i = 0; i < op->depth; i++) {
        facts.largest = tg_max(facts.largest, row[i]);
    }
    uint32_t sum = 0;
    for (int32_t i = 0; i < op->depth; i++) {
        const int32_t step = facts.largest - row[i];
        if (step < op->steps) {
            sum += (uint32_t)tg_divide_by_pot(op->table[step], SUM_INTEGER_BITS);
        }
    }
    /* The sum is 1 + x, 0 <= x < 1, times a power of two; the largest element alone makes it 1. */
    const uint32_t one = UINT32_C(1) << 31;
    while (sum < one) {
        sum <<= 1;
        facts.octaves--;
    }
    facts.reciprocal = one_over_one_plus((int32_t)(sum - one));
    return facts;
}
