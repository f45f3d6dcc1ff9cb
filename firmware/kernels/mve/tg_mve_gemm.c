#include "mve/tg_mve_conv.h"

/* The last block writes aside if the pixels have less than four channels left. */
void tg_mve_gemm(const tg_mve_gemm_t *op, const int8_t *column, int8_t *first, int8_t *second) {
    const int32_t rest = op->channels % 4;
    const int32_t whole = op->channels - rest;
    int8_t last[2][4];
    tg_mve_blocks_t blocks = {
        .stream = op->stream,
        .a = column,
        .b = column + op->column_bytes,
        .column_bytes = op->column_bytes,
        .blocks = whole / 4,
        .first = first,
        .second = second,
        .output_zero_point = op->output_zero_point,
        .output_min = op->output_min,
        .output_max = op->output_max,
    };
    if (whole > 0) {
        tg_mve_blocks(&blocks);
    }
    if (rest > 0) {
        blocks.stream += whole / 4 * (9 + op->column_bytes);
        blocks.blocks = 1;
        blocks.first = last[0];
        blocks.second = last[1];
        tg_mve_blocks(&blocks);
        for (int32_t i = 0; i < rest; i++) {
            first[whole + i] = last[0][i];
            second[whole + i] = last[1][i];
        }
    }
}
