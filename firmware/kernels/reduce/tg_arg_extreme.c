#include "tg_reduce.h"

/* The index of the first greatest element of x ^ flip. */
static int32_t find(const tg_arg_extreme_t *op, const int8_t *input) {
    int32_t best = INT32_MIN;
    int32_t index = 0;
    int32_t at = 0;
    for (int32_t i = 0; i < op->axis; i++) {
        const int32_t x = input[at] ^ op->flip;
        if (x > best) {
            best = x;
            index = i;
        }
        at += op->inner;
    }
    return index;
}

void tg_arg_extreme(const tg_arg_extreme_t *op, const int8_t *input, int32_t *output) {
    for (int32_t o = 0; o < op->outer; o++) {
        for (int32_t i = 0; i < op->inner; i++) {
            *output++ = find(op, input + i);
        }
        input += op->axis * op->inner;
    }
}
