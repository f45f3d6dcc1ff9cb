#include "tg_move.h"

/* Where the current round of the innermost loop starts in the input. */
static int32_t row_offset(const tg_gather_t *op, const int32_t *turn) {
    const uint16_t *index = op->index;
    int32_t offset = 0;
    for (int32_t level = 1; level < op->loops; level++) {
        index += op->loop[2 * (level - 1)];
        offset += index[turn[level]] * op->loop[2 * level + 1];
    }
    return offset;
}

void tg_gather(const tg_gather_t *op, const void *input, void *output) {
    int8_t *to = output;
    const int32_t count = op->loop[0];
    const int32_t unit = op->loop[1];
    int32_t turn[TG_MAX_LOOPS] = {0};
    do {
        const int8_t *row = (const int8_t *)input + row_offset(op, turn);
        for (int32_t i = 0; i < count; i++) {
            tg_copy_block(to, row + op->index[i] * unit, op->block);
            to += op->block;
        }
    } while (tg_next(turn, op->loop, 2, 1, op->loops) < op->loops);
}
