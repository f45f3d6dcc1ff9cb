/* Moving elements of any type to other places, bit for bit: concatenation, slices, transposes,
 * pads, repeats. Sizes, strides and offsets are in bytes; a block is a run of bytes that is
 * contiguous in the input and in the output. Buffers need the alignment of bytes only. */
#ifndef TG_MOVE_H
#define TG_MOVE_H

#include "../tg_loops.h"
#include "../tg_runtime.h"

typedef struct {
    int32_t block; /* bytes of a block */
    int32_t loops; /* nested around it, 1 to TG_MAX_LOOPS */
    /* [loops][3], the innermost first: repetitions, input step, output step. The steps of the
     * innermost loop lead from one of its blocks to the next. Those of an outer loop lead from the
     * first block of the innermost loop's last round to the first block of the next round. */
    const int32_t *loop;
} tg_copy_blocks_t;

/* Copies blocks, in the order of the loops; leaves the bytes between them in the output alone.
 * No block may be overwritten before it was read, and one of several bytes must not overlap its own
 * copy. */
void tg_copy_blocks(const tg_copy_blocks_t *op, const void *input, void *output);

typedef struct {
    int32_t value; /* the byte that fills */
    int32_t head;  /* bytes filled before the first block */
    int32_t tail;  /* bytes filled after the last block */
    int32_t block; /* bytes of a block */
    int32_t loops; /* nested around it, 1 to TG_MAX_LOOPS */
    /* [loops][2], the innermost first: repetitions, bytes filled when this loop moves on. */
    const int32_t *loop;
} tg_pad_t;

/* Reads the whole input, block by block, and writes the whole output, both in ascending order.
 * A block and its copy must not overlap, and no block may be overwritten before it was read. */
void tg_pad(const tg_pad_t *op, const void *input, void *output);

typedef struct {
    int32_t block; /* bytes of a block */
    int32_t loops; /* nested around it, 1 to TG_MAX_LOOPS */
    /* [loops][2], the innermost first: repetitions, input bytes that an index of 1 stands for. */
    const int32_t *loop;
    const uint16_t *index; /* one for each repetition: those of the innermost loop, the next ... */
} tg_gather_t;

/* output block (i, j, ...) = the input's at index[i] * unit of i + index[j] * unit of j + ...
 * Writes the output in ascending order; it must not overlap the input. */
void tg_gather(const tg_gather_t *op, const void *input, void *output);

/* Copies one block. Calling the library for a few bytes would take longer than copying them. */
static inline void tg_copy_block(int8_t *to, const int8_t *from, int32_t bytes) {
    if (bytes >= 8) {
        tg_copy(to, from, bytes);
        return;
    }
    for (int32_t i = 0; i < bytes; i++) {
        to[i] = from[i];
    }
}

#endif /* TG_MOVE_H */
