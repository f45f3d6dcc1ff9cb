#include "conv_gemm/tg_conv_gemm.h"

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
            tg_copy(row, ring->input, op->copied_bytes);
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
