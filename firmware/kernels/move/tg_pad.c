#include "tg_move.h"

void tg_pad(const tg_pad_t *op, const void *input, void *output) {
    const int8_t *from = input;
    int8_t *to = output;
    int32_t turn[TG_MAX_LOOPS] = {0};
    int32_t gap = op->head;
    int32_t level = 0;
    do {
        tg_fill(to, op->value, gap);
        to += gap;
        tg_copy_block(to, from, op->block);
        from += op->block;
        to += op->block;
        level = tg_next(turn, op->loop, 2, 0, op->loops);
        gap = level < op->loops ? op->loop[2 * level + 1] : op->tail;
    } while (level < op->loops);
    tg_fill(to, op->value, gap);
}
