#include "tg_reduce.h"

/* The greatest of ~x is ~ of the least x, and ~x = x ^ -1: one loop serves both. `turn` is zeros,
 * and is zeros again afterwards: an odometer that has come round. */
static int32_t greatest(const tg_reduce_t *over, const int8_t *input, int32_t flip, int32_t *turn) {
    const int32_t count = over->fold[0];
    const int32_t stride = over->fold[1];
    int32_t best = INT8_MIN;
    for (;;) {
        int32_t at = 0;
        for (int32_t i = 0; i < count; i++) {
            best = tg_max(best, input[at] ^ flip);
            at += stride;
        }
        const int32_t level = tg_next(turn, over->fold, 2, 1, over->folds);
        if (level == over->folds) {
            return best;
        }
        input += over->fold[2 * level + 1];
    }
}

void tg_extreme(const tg_extreme_t *op, const int8_t *input, int8_t *output) {
    int32_t keep_turn[TG_MAX_LOOPS] = {0};
    int32_t fold_turn[TG_MAX_LOOPS] = {0};
    for (;;) {
        *output++ = (int8_t)(greatest(&op->over, input, op->flip, fold_turn) ^ op->flip);
        const int32_t level = tg_next(keep_turn, op->over.keep, 2, 0, op->over.keeps);
        if (level == op->over.keeps) {
            return;
        }
        input += op->over.keep[2 * level + 1];
    }
}
