#include "tg_conv_gemm.h"

/* memcpy of small code takes a word a turn; rows are most of what a convolution copies. */
static void copy_row(int8_t *target, const int8_t *source, int32_t bytes) {
    for (; bytes >= 16; bytes -= 16, target += 16, source += 16) {
        const uint32_t a = tg_load4(source);
        const uint32_t b = tg_load4(source + 4);
        const uint32_t c = tg_load4(source + 8);
        const uint32_t d = tg_load4(source + 12);
        tg_store4(target, a);
        tg_store4(target + 4, b);
        tg_store4(target + 8, c);
        tg_store4(target + 12, d);
    }
    for (; bytes > 0; bytes--) {
        *target++ = *source++;
    }
}

void tg_ring_start(const tg_ring_t *op, tg_ring_state_t *ring, int8_t *bytes, const int8_t *input) {
    tg_fill(bytes, op->fill, op->rows * op->row_bytes);
    ring->bytes = bytes;
    ring->input = input;
    ring->loaded = op->pad_rows;
    ring->slot = op->pad_rows * op->row_bytes;
}

void tg_ring_load(const tg_ring_t *op, tg_ring_state_t *ring, int32_t rows) {
    for (; ring->loaded < rows; ring->loaded++) {
        int8_t *row = ring->bytes + (ring->slot + op->pad_bytes);
        if (ring->loaded < op->pad_rows + op->input_rows) {
            copy_row(row, ring->input, op->copied_bytes);
            ring->input += op->input_row_bytes;
        } else {
            tg_fill(row, op->fill, op->copied_bytes);
        }
        ring->slot += op->row_bytes;
        if (ring->slot == op->rows * op->row_bytes) {
            ring->slot = 0;
        }
    }
}
