#include "tg_mve_conv.h"

/* By whole vectors: what follows the source in the ring, or the target in the column, is there. */
static inline void copy_piece(int8_t *target, const int8_t *source, int32_t bytes) {
#if TG_MVE
    for (; bytes > 0; bytes -= TG_MVE_BYTES) {
        vstrbq_s8(target, vldrbq_s8(source));
        target += TG_MVE_BYTES;
        source += TG_MVE_BYTES;
    }
#else
    tg_copy(target, source, bytes);
#endif
}

#if TG_MVE

/* Kernel rows that fit in a vector: many, where input channels are few. */
static void copy_narrow_window(const tg_mve_ring_t *op, const int8_t *ring, int32_t at,
                               int8_t *column) {
    const int32_t piece_bytes = op->piece_bytes;
    const int32_t kernel_step = op->kernel_step;
    const int32_t ring_bytes = op->ring_bytes;
    for (int32_t rows = op->rows; rows > 0; rows--) {
        vstrbq_s8(column, vldrbq_s8(ring + at));
        column += piece_bytes;
        at += kernel_step;
        at -= at >= ring_bytes ? ring_bytes : 0;
    }
}

#endif

/* Copies the window that begins at a byte of the ring. */
static void copy_window(const tg_mve_ring_t *op, const int8_t *ring, int32_t at, int8_t *column) {
#if TG_MVE
    if (op->pieces == 1 && op->piece_bytes <= TG_MVE_BYTES) {
        copy_narrow_window(op, ring, at, column);
        return;
    }
#endif
    /* In registers: bytes may be written anywhere. */
    const int32_t pieces = op->pieces;
    const int32_t piece_bytes = op->piece_bytes;
    const int32_t piece_step = op->piece_step;
    const int32_t kernel_step = op->kernel_step;
    const int32_t ring_bytes = op->ring_bytes;
    for (int32_t rows = op->rows; rows > 0; rows--) {
        const int8_t *piece = ring + at;
        for (int32_t left = pieces; left > 0; left--) {
            copy_piece(column, piece, piece_bytes);
            column += piece_bytes;
            piece += piece_step;
        }
        at += kernel_step;
        at -= at >= ring_bytes ? ring_bytes : 0;
    }
}

/* Where the next window begins in the ring. */
typedef struct {
    int32_t row;    /* the first window of its row */
    int32_t next;   /* the window itself */
    int32_t left;   /* windows in the row, it included */
    int32_t needed; /* rows that must have been loaded for it */
} walk_t;

static inline void advance(const tg_mve_ring_t *op, walk_t *walk) {
    walk->next += op->stride_bytes;
    if (--walk->left == 0) {
        const int32_t row = walk->row + op->row_step;
        walk->row = row >= op->ring_bytes ? row - op->ring_bytes : row;
        walk->next = walk->row;
        walk->left = op->width;
        walk->needed += op->stride_rows;
    }
}

void tg_mve_ring(const tg_mve_ring_t *op, const int8_t *input, int8_t *output, int8_t *scratch,
                 tg_mve_blocks_kernel_t *kernel) {
    const int32_t column_bytes = op->gemm.column_bytes;
    tg_ring_state_t ring;
#if !TG_MVE
    tg_fill(scratch, 0, 2 * column_bytes);
#endif
    tg_ring_start(&op->ring, &ring, scratch + (2 * column_bytes + TG_MVE_BYTES), input);
    tg_mve_blocks_t blocks = tg_mve_gemm_start(&op->gemm, scratch);
    walk_t walk = {0, 0, op->width, op->reach};
    for (int32_t left = op->pixels; left > 0; left -= 2) {
        const int32_t pixels = tg_min(left, 2);
        const int32_t a = walk.next;
        int32_t b = a;
        int32_t needed = walk.needed;
        advance(op, &walk);
        if (pixels > 1) {
            b = walk.next;
            needed = walk.needed;
            advance(op, &walk);
        }
        if (needed > ring.loaded) {
            tg_ring_load(&op->ring, &ring, needed);
        }
        copy_window(op, ring.bytes, a, scratch);
        copy_window(op, ring.bytes, b, scratch + column_bytes);
        tg_mve_gemm(&op->gemm, &blocks, output, pixels, kernel);
        output += pixels * op->gemm.channels;
    }
}
