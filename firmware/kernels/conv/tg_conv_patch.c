#include "tg_conv.h"

/* Copies what lies inside the row and fills the rest; byte: where the piece begins in the row. */
static void piece(const tg_patch_t *op, const int8_t *row, int32_t byte, int8_t *patch) {
    const int32_t bytes = op->piece_bytes;
    const int32_t begin = tg_clamp(-byte, 0, bytes);
    const int32_t end = tg_clamp(op->input_row_bytes - byte, begin, bytes);
    if (begin > 0) {
        tg_fill(patch, op->fill, begin);
    }
    if (end > begin) {
        tg_copy(patch + begin, row + (byte + begin), end - begin);
    }
    if (bytes > end) {
        tg_fill(patch + end, op->fill, bytes - end);
    }
}

void tg_conv_patch(const tg_patch_t *op, const int8_t *image, int32_t row, int32_t byte,
                   int8_t *patch) {
    for (int32_t r = 0; r < op->rows; r++) {
        if (row < 0 || row >= op->input_height) {
            const int32_t bytes = op->pieces * op->piece_bytes;
            tg_fill(patch, op->fill, bytes);
            patch += bytes;
        } else {
            const int8_t *source = image + row * op->input_row_bytes;
            int32_t at = byte;
            for (int32_t p = 0; p < op->pieces; p++) {
                piece(op, source, at, patch);
                patch += op->piece_bytes;
                at += op->piece_step;
            }
        }
        row += op->row_step;
    }
}
