#include "mve/tg_mve_conv.h"

/* The last block writes aside if the pixels have less than four channels left. */
static void last_block(tg_mve_blocks_t *blocks, int32_t rest, int8_t *output, int32_t second,
                       tg_mve_blocks_kernel_t *kernel) {
    int8_t last[8];
    blocks->blocks = 1;
    blocks->output = last;
    for (uint32_t i = 0; i < 8; i++) {
        blocks->places[i] = (uint16_t)i;
    }
    kernel(blocks);
    for (int32_t i = 0; i < rest; i++) {
        output[i] = last[2 * i];
        output[second + i] = last[2 * i + 1];
    }
}

void tg_mve_gemm(const tg_mve_gemm_t *op, const int8_t *column, int8_t *output, int32_t pixels,
                 tg_mve_blocks_kernel_t *kernel) {
    const int32_t rest = op->channels % 4;
    const int32_t whole = op->channels - rest;
    const int32_t second = pixels > 1 ? op->channels : 0;
    tg_mve_blocks_t blocks = {
        .stream = op->stream,
        .a = column,
        .b = column + op->column_bytes,
        .column_bytes = op->column_bytes,
        .blocks = whole / 4,
        .output = output,
        .output_zero_point = op->output_zero_point,
    };
    for (int32_t i = 0; i < 4; i++) {
        blocks.places[2 * i] = (uint16_t)i;
        blocks.places[2 * i + 1] = (uint16_t)(second + i);
    }
    if (whole > 0) {
        kernel(&blocks);
    }
    if (rest > 0) {
        blocks.stream += whole / 4 * (9 + op->column_bytes);
        last_block(&blocks, rest, output + whole, second, kernel);
    }
    if (op->output_min > INT8_MIN || op->output_max < INT8_MAX) {
        tg_mve_clamp(output, pixels * op->channels, op->output_min, op->output_max);
    }
}
