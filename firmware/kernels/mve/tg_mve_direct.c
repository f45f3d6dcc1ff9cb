#include "tg_mve_conv.h"

static void build_column(const tg_mve_direct_t *op, const int8_t *a, const int8_t *b,
                         int8_t *column) {
#if TG_MVE
    const int32_t step = op->gemm.column_bytes;
    int32_t left = op->depth;
    for (int32_t vectors = left / TG_MVE_BYTES; vectors > 0; vectors--) {
        vstrbq_s8(column, vldrbq_s8(a));
        vstrbq_s8(column + step, vldrbq_s8(b));
        a += TG_MVE_BYTES;
        b += TG_MVE_BYTES;
        column += TG_MVE_BYTES;
    }
    left %= TG_MVE_BYTES;
    if (left > 0) { /* nothing behind a window may be read */
        vstrbq_s8(column, tg_mve_load(a, left));
        vstrbq_s8(column + step, tg_mve_load(b, left));
    }
#else
    tg_fill(column, 0, 2 * op->gemm.column_bytes);
    tg_copy(column, a, op->depth);
    tg_copy(column + op->gemm.column_bytes, b, op->depth);
#endif
}

/* Where the next window begins. */
typedef struct {
    const int8_t *row;  /* the first window of its row */
    const int8_t *next; /* the window itself */
    int32_t left;       /* windows in the row, it included */
} walk_t;

static inline void advance(const tg_mve_direct_t *op, walk_t *walk) {
    walk->next += op->stride_bytes;
    if (--walk->left == 0) {
        walk->row += op->row_bytes;
        walk->next = walk->row;
        walk->left = op->width;
    }
}

void tg_mve_direct(const tg_mve_direct_t *op, const int8_t *input, int8_t *output, int8_t *scratch,
                   tg_mve_blocks_kernel_t *kernel) {
    tg_mve_blocks_t blocks = tg_mve_gemm_start(&op->gemm, scratch);
    walk_t walk = {input, input, op->width};
    for (int32_t left = op->pixels; left > 0; left -= 2) {
        const int32_t pixels = tg_min(left, 2);
        const int8_t *const a = walk.next;
        const int8_t *b = a;
        advance(op, &walk);
        if (pixels > 1) {
            b = walk.next;
            advance(op, &walk);
        }
        build_column(op, a, b, scratch);
        tg_mve_gemm(&op->gemm, &blocks, output, pixels, kernel);
        output += pixels * op->gemm.channels;
    }
}
