#include "conv_gemm/tg_conv_gemm.h"

/* The column of the windows that begin at a and b in the ring. Rests are copied by whole words,
 * each over the surplus of the one before. */
static void build_column(const tg_conv_ring_gemm_t *op, const int8_t *ring, int32_t a, int32_t b,
                         uint32_t *column, int8_t *rests) {
    const int32_t ring_bytes = op->ring.rows * op->ring.row_bytes;
    const int32_t words = op->words;
    const int32_t rest = op->rest;
    int8_t *rest_a = rests;
    int8_t *rest_b = rests + TG_RESTS_BYTES(op->rest_words);
    for (int32_t rows = op->kernel_rows; rows > 0; rows--) {
        const int8_t *piece_a = ring + a;
        const int8_t *piece_b = ring + b;
        for (int32_t pieces = op->pieces; pieces > 0; pieces--) {
            if (words > 0) {
                column = tg_column_words(piece_a, piece_b, words, column);
            }
            if (rest > 0) {
                tg_store4(rest_a, tg_load4(piece_a + 4 * words));
                tg_store4(rest_b, tg_load4(piece_b + 4 * words));
                rest_a += rest;
                rest_b += rest;
            }
            piece_a += op->piece_step;
            piece_b += op->piece_step;
        }
        a += op->kernel_step;
        a -= a >= ring_bytes ? ring_bytes : 0;
        b += op->kernel_step;
        b -= b >= ring_bytes ? ring_bytes : 0;
    }
    if (rest > 0) {
        (void)tg_column_words(rests, rests + TG_RESTS_BYTES(op->rest_words), op->rest_words,
                              column);
    }
}

void tg_conv_ring_gemm(const tg_conv_ring_gemm_t *op, const int8_t *input, int8_t *output,
                       int8_t *scratch, tg_gemm_kernel_t *gemm) {
    uint32_t *const column = (uint32_t *)(void *)scratch;
    int8_t *const rests = scratch + 16 * op->gemm.steps;
    const int32_t ring_bytes = op->ring.rows * op->ring.row_bytes;
    const bool clamps = tg_gemm_clamps(&op->gemm);
    tg_ring_state_t ring;
    tg_ring_start(&op->ring, &ring, rests + 2 * TG_RESTS_BYTES(op->rest_words), input);
    int32_t row = 0;          /* of windows: where it begins in the ring */
    int32_t next = 0;         /* window */
    int32_t left = op->width; /* windows in the row */
    int32_t needed = op->reach;
    for (int32_t pixels = op->pixels; pixels > 0; pixels -= 2) {
        int32_t window[2];
        int8_t *second = output + op->gemm.channels;
        for (int32_t i = 0; i < 2; i++) {
            if (left == 0 && pixels > i) {
                left = op->width;
                row += op->row_step;
                row -= row >= ring_bytes ? ring_bytes : 0;
                next = row;
                needed += op->stride_rows;
            }
            window[i] = next;
            next += op->stride_bytes;
            left--;
        }
        if (pixels == 1) {
            window[1] = window[0];
            second = output;
        }
        tg_ring_load(&op->ring, &ring, needed);
        build_column(op, ring.bytes, window[0], window[1], column, rests);
        gemm(&op->gemm, column, output, second);
        if (clamps) {
            tg_gemm_clamp(&op->gemm, output, second);
        }
        output = second + op->gemm.channels;
    }
}
