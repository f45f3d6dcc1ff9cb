#include "tg_conv_gemm.h"

/* The last bytes of a window, which don't fill a word: nothing behind them may be read. */
static int32_t load_rest(const int8_t *bytes, int32_t count) {
    uint32_t word = 0;
    while (count-- > 0) {
        word = (word << 8) | (uint8_t)bytes[count];
    }
    return (int32_t)word;
}

static void build_column(const tg_conv_direct_gemm_t *op, const int8_t *a, const int8_t *b,
                         uint32_t *column) {
    if (op->words > 0) {
        column = tg_column_words(a, b, op->words, column);
    }
    if (op->rest > 0) {
        const int32_t whole = 4 * op->words;
        const int32_t rests[2] = {load_rest(a + whole, op->rest), load_rest(b + whole, op->rest)};
        (void)tg_column_words((const int8_t *)&rests[0], (const int8_t *)&rests[1], 1, column);
    }
}

/* Where the next window begins. */
typedef struct {
    const int8_t *row;  /* the first window of its row */
    const int8_t *next; /* the window itself */
    int32_t left;       /* windows in the row, it included */
} walk_t;

static inline void advance(const tg_conv_direct_gemm_t *op, walk_t *walk) {
    walk->next += op->stride_bytes;
    if (--walk->left == 0) {
        walk->row += op->row_bytes;
        walk->next = walk->row;
        walk->left = op->width;
    }
}

void tg_conv_direct_gemm(const tg_conv_direct_gemm_t *op, const int8_t *input, int8_t *output,
                         int8_t *scratch, tg_gemm_kernel_t *gemm) {
    uint32_t *const column = (uint32_t *)(void *)scratch;
    walk_t walk = {input, input, op->width};
    for (int32_t pixels = op->pixels; pixels > 0; pixels -= 2) {
        const int8_t *const a = walk.next;
        const int8_t *b = a;
        int8_t *second = output;
        advance(op, &walk);
        if (pixels > 1) {
            b = walk.next;
            second += op->gemm.channels;
            advance(op, &walk);
        }
        build_column(op, a, b, column);
        gemm(&op->gemm, column, output, second);
        int8_t *const end = second + op->gemm.channels;
        tg_gemm_clamp(&op->gemm, output, (int32_t)(end - output));
        output = end;
    }
}
