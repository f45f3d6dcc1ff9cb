#include "tg_mve_depthwise.h"

void tg_mve_depthwise_pair(const tg_mve_depthwise_t *op, const int8_t *strip, bool pair,
                           int8_t *output, tg_mve_tiles_kernel_t *kernel) {
    const uint32_t column = 4 * (uint32_t)op->strip_channels;
    const uint32_t step = (uint32_t)op->channels;
    const uint32_t width = (uint32_t)op->output_width;
    const uint32_t row = pair ? width * step : 0;
    const tg_mve_tiles_t tiles = {
        .stream = op->stream,
        .words = strip,
        .output = output,
        .tile_words = 2 * column,
        .tile_output = 2 * step,
        .columns = {0, column, 2 * column, 3 * column},
        .places = {0, step, row, row + step},
        .words_back = 4 - width * column,
        .output_back = 1 - width * step,
        .stream_end = op->stream + TG_MVE_DEPTHWISE_WORDS * op->channels,
        .tiles = op->output_width / 2,
        .odd = op->output_width % 2,
        .down = pair ? 8 : 0,
    };
    kernel(&tiles);
}
