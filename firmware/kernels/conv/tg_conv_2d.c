#include "tg_conv.h"

static void pixel(const tg_conv_2d_t *op, const int8_t *image, int32_t row, int32_t byte,
                  int8_t *output, int8_t *scratch) {
    int32_t first = 0;
    for (int32_t g = 0; g < op->groups; g++) {
        tg_conv_patch(&op->patch, image, row, byte, scratch);
        tg_conv_filters(&op->filters, first, op->group_outputs, scratch, output + first);
        first += op->group_outputs;
        byte += op->group_inputs;
    }
}

void tg_conv_2d(const tg_conv_2d_t *op, const int8_t *input, int8_t *output, int8_t *scratch) {
    const tg_scan_t *scan = &op->scan;
    for (int32_t b = 0; b < scan->batches; b++) {
        int8_t *output_row = output;
        int32_t row = scan->first_row;
        for (int32_t y = 0; y < scan->output_height; y++) {
            int8_t *output_pixel = output_row;
            int32_t byte = scan->first_byte;
            for (int32_t x = 0; x < scan->output_width; x++) {
                pixel(op, input, row, byte, output_pixel, scratch);
                output_pixel += op->output_pixel_step;
                byte += scan->stride_bytes;
            }
            output_row += op->output_row_step;
            row += scan->stride_rows;
        }
        output += op->output_image_step;
        input += scan->input_image_bytes;
    }
}
