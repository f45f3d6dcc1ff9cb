#include "tg_conv_gemm.h"

/* The column of the windows that begin at a and b in the ring, one piece of all kernel rows after
 * the other, and at its end the rests. */
static void build_column(const tg_conv_ring_gemm_t *op, const int8_t *ring, int32_t a, int32_t b,
                         uint32_t *column, int8_t *rests) {
    const int8_t *const end = ring + op->taps.ring_bytes;
    int8_t *rest = rests;
    for (int32_t piece = 0; piece < op->pieces; piece++) {
        column = tg_column_rows(&op->taps, ring + a, ring + b, column, end, rest);
        rest += op->taps.rows * op->taps.rest;
        a += op->piece_step;
        b += op->piece_step;
    }
    if (op->rest_words > 0) {
        (void)tg_column_words(rests, rests + op->taps.rests_bytes, op->rest_words, column);
    }
}

/* Where the next window begins in the ring. */
typedef struct {
    int32_t row;    /* the first window of its row */
    int32_t next;   /* the window itself */
    int32_t left;   /* windows in the row, it included */
    int32_t needed; /* rows that must have been loaded for it */
} walk_t;

static inline void advance(const tg_conv_ring_gemm_t *op, walk_t *walk) {
    walk->next += op->stride_bytes;
    if (--walk->left == 0) {
        const int32_t row = walk->row + op->row_step;
        walk->row = row >= op->taps.ring_bytes ? row - op->taps.ring_bytes : row;
        walk->next = walk->row;
        walk->left = op->width;
        walk->needed += op->stride_rows;
    }
}

void tg_conv_ring_gemm(const tg_conv_ring_gemm_t *op, const int8_t *input, int8_t *output,
                       int8_t *scratch, tg_gemm_kernel_t *gemm) {
    uint32_t *const column = (uint32_t *)(void *)scratch;
    int8_t *const rests = scratch + 16 * op->gemm.steps;
    tg_ring_state_t ring;
    tg_ring_start(&op->ring, &ring, rests + 2 * op->taps.rests_bytes, input);
    walk_t walk = {0, 0, op->width, op->reach};
    for (int32_t pixels = op->pixels; pixels > 0; pixels -= 2) {
        const int32_t a = walk.next;
        int32_t b = a;
        int32_t needed = walk.needed;
        int8_t *second = output;
        advance(op, &walk);
        if (pixels > 1) {
            b = walk.next;
            needed = walk.needed;
            second += op->gemm.channels;
            advance(op, &walk);
        }
        if (needed > ring.loaded) {
            tg_ring_load(&op->ring, &ring, needed);
        }
        build_column(op, ring.bytes, a, b, column, rests);
        gemm(&op->gemm, column, output, second);
        int8_t *const end = second + op->gemm.channels;
        tg_gemm_clamp(&op->gemm, output, (int32_t)(end - output));
        output = end;
    }
}
