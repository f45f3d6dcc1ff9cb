#include "tg_pool_s16.h"

/* `turn` is zeros, and is zeros again afterwards: an odometer that has come round. */
static int32_t sum_elements(const tg_reduce_t *over, const int16_t *input, int32_t *turn) {
    const int32_t count = over->fold[0];
    const int32_t stride = over->fold[1];
    int32_t sum = 0;
    for (;;) {
        int32_t at = 0;
        for (int32_t i = 0; i < count; i++, at += stride) {
            sum += input[at];
        }
        const int32_t level = tg_next(turn, over->fold, 2, 1, over->folds);
        if (level == over->folds) {
            return sum;
        }
        input += over->fold[2 * level + 1];
    }
}

void tg_sum_s16(const tg_sum_s16_t *op, const int16_t *input, int16_t *output) {
    int32_t keep_turn[TG_MAX_LOOPS] = {0};
    int32_t fold_turn[TG_MAX_LOOPS] = {0};
    for (;;) {
        const int32_t sum = op->bias + sum_elements(&op->over, input, fold_turn);
        const int32_t scaled = tg_requantize(sum, op->rescale.multiplier, op->rescale.shift);
        *output++ = (int16_t)tg_clamp(scaled + op->output_zero_point, INT16_MIN, INT16_MAX);
        const int32_t level = tg_next(keep_turn, op->over.keep, 2, 0, op->over.keeps);
        if (level == op->over.keeps) {
            return;
        }
        input += op->over.keep[2 * level + 1];
    }
}
