#include "tg_mve_conv.h"

static void set_places(tg_mve_blocks_t *blocks, int32_t second) {
    for (int32_t i = 0; i < 4; i++) {
        blocks->places[2 * i] = (uint16_t)i;
        blocks->places[2 * i + 1] = (uint16_t)(second + i);
    }
}

tg_mve_blocks_t tg_mve_gemm_start(const tg_mve_gemm_t *op, const int8_t *column) {
    tg_mve_blocks_t blocks = {
        .stream = op->stream,
        .a = column,
        .b = column + op->column_bytes,
        .column_bytes = op->column_bytes,
        .blocks = op->channels / 4,
        .output_zero_point = op->output_zero_point,
    };
    set_places(&blocks, op->channels);
    return blocks;
}

/* What fills no block is written aside. */
static void rest_of(const tg_mve_gemm_t *op, const tg_mve_blocks_t *blocks, int32_t rest,
                    tg_mve_blocks_kernel_t *kernel) {
    int8_t bytes[8];
    tg_mve_blocks_t last = *blocks;
    int8_t *first = blocks->output + 4 * blocks->blocks;
    int8_t *second = first + blocks->places[1];
    last.stream += blocks->blocks * (9 + op->column_bytes);
    last.blocks = 1;
    last.output = bytes;
    set_places(&last, 4);
    kernel(&last);
    for (int32_t i = 0; i < rest; i++) {
        first[i] = bytes[i];
        second[i] = bytes[4 + i];
    }
}

void tg_mve_gemm(const tg_mve_gemm_t *op, tg_mve_blocks_t *blocks, int8_t *output, int32_t pixels,
                 tg_mve_blocks_kernel_t *kernel) {
    const int32_t rest = op->channels % 4;
    blocks->output = output;
    if (pixels < 2) {
        set_places(blocks, 0);
    }
    if (blocks->blocks > 0) {
        kernel(blocks);
    }
    if (rest > 0) {
        rest_of(op, blocks, rest, kernel);
    }
    if (op->output_min > INT8_MIN || op->output_max < INT8_MAX) {
        tg_mve_clamp(output, pixels * op->channels, op->output_min, op->output_max);
    }
}
