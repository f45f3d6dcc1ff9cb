#include "tg_layers_s16.h"

static int16_t *pixel(const tg_conv_direct_s16_t *op, const int16_t *window, int16_t *output) {
    int32_t first = 0;
    for (int32_t g = 0; g < op->groups; g++) {
        tg_filters_s16(&op->filters, first, op->group_outputs, window, output + first);
        first += op->group_outputs;
        window += op->filters.depth;
    }
    return output + first;
}

void tg_conv_direct_s16(const tg_conv_direct_s16_t *op, const int16_t *input, int16_t *output) {
    for (int32_t b = 0; b < op->batches; b++) {
        const int16_t *row = input;
        for (int32_t y = 0; y < op->height; y++) {
            const int16_t *window = row;
            for (int32_t x = 0; x < op->width; x++) {
                output = pixel(op, window, output);
                window += op->stride;
            }
            row += op->stride_row;
        }
        input += op->image_values;
    }
}
