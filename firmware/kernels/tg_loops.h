/* Nested loops whose depth is data, so that one kernel serves tensors of every rank. */
#ifndef TG_LOOPS_H
#define TG_LOOPS_H

#include "tg_runtime.h"

/* The most loops that a kernel nests. */
#define TG_MAX_LOOPS 8

/* Turns the odometer of loops first, first + 1 ... loops - 1, of which `first` turns fastest.
 * `turn` counts the repetitions of each loop and starts at zeros; the repetitions wanted are
 * loop[0], loop[width], loop[2 * width] ... Returns the loop that moved on, or `loops` when all are
 * done. */
static inline int32_t tg_next(int32_t *turn, const int32_t *loop, int32_t width, int32_t first,
                              int32_t loops) {
    int32_t level = first;
    while (level < loops && ++turn[level] == loop[level * width]) {
        turn[level] = 0;
        level++;
    }
    return level;
}

#endif /* TG_LOOPS_H */
