#include "tg_conv.h"

void tg_conv_direct(const tg_conv_direct_t *op, const int8_t *input, int8_t *output) {
    for (int32_t b = 0; b < op->batches; b++) {
        const int8_t *row = input;
        for (int32_t y = 0; y < op->height; y++) {
            const int8_t *window = row;
            for (int32_t x = 0; x < op->width; x++) {
                const int8_t *part = window;
                int32_t first = 0;
                for (int32_t g = 0; g < op->groups; g++) {
                    tg_conv_filters(&op->filters, first, op->group_outputs, part, output);
                    first += op->group_outputs;
                    output += op->group_outputs;
                    part += op->filters.depth;
                }
                window += op->stride_bytes;
            }
            row += op->stride_row_bytes;
        }
        input += op->input_image_bytes;
    }
}
