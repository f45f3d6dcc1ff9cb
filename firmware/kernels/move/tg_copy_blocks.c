#include "tg_move.h"

/* The innermost loop. Offsets instead of moving pointers: a stride beyond the last block may lead
 * out of the buffer. */
static void copy_row(const tg_copy_blocks_t *op, const int8_t *from, int8_t *to) {
    const int32_t block = op->block;
    const int32_t count = op->loop[0];
    const int32_t from_stride = op->loop[1];
    const int32_t to_stride = op->loop[2];
    int32_t from_at = 0;
    int32_t to_at = 0;
    if (block == 1) {
        for (int32_t i = 0; i < count; i++) {
            to[to_at] = from[from_at];
            from_at += from_stride;
            to_at += to_stride;
        }
        return;
    }
    for (int32_t i = 0; i < count; i++) {
        tg_copy_block(to + to_at, from + from_at, block);
        from_at += from_stride;
        to_at += to_stride;
    }
}

void tg_copy_blocks(const tg_copy_blocks_t *op, const void *input, void *output) {
    const int8_t *from = input;
    int8_t *to = output;
    int32_t turn[TG_MAX_LOOPS] = {0};
    for (;;) {
        copy_row(op, from, to);
        const int32_t level = tg_next(turn, op->loop, 3, 1, op->loops);
        if (level == op->loops) {
            return;
        }
        from += op->loop[3 * level + 1];
        to += op->loop[3 * level + 2];
    }
}
