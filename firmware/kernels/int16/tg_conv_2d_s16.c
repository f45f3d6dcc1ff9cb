#include "tg_layers_s16.h"

static int16_t *pixel(const tg_conv_2d_s16_t *op, const int8_t *image, int32_t row, int32_t byte,
                      int16_t *output, int16_t *scratch) {
    int32_t first = 0;
    for (int32_t g = 0; g < op->groups; g++) {
        tg_conv_patch(&op->patch, image, row, byte, (int8_t *)scratch);
        tg_filters_s16(&op->filters, first, op->group_outputs, scratch, output + first);
        first += op->group_outputs;
        byte += op->group_bytes;
    }
    return output + first;
}

void tg_conv_2d_s16(const tg_conv_2d_s16_t *op, const int16_t *input, int16_t *output,
                    int16_t *scratch) {
    const tg_scan_t *scan = &op->scan;
    const int8_t *image = (const int8_t *)input;
    for (int32_t b = 0; b < scan->batches; b++) {
        int32_t row = scan->first_row;
        for (int32_t y = 0; y < scan->output_height; y++) {
            int32_t byte = scan->first_byte;
            for (int32_t x = 0; x < scan->output_width; x++) {
                output = pixel(op, image, row, byte, output, scratch);
                byte += scan->stride_bytes;
            }
            row += scan->stride_rows;
        }
        image += scan->input_image_bytes;
    }
}
