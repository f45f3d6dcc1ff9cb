#include "tg_conv.h"

static void pixel(const tg_depthwise_conv_2d_t *op, const int8_t *patch, int8_t *output) {
    const tg_filters_t *filters = &op->filters;
    const int8_t *weight = filters->weights;
    const int32_t inputs = op->inputs;
    int32_t channel = 0;
    for (int32_t i = 0; i < inputs; i++) {
        for (int32_t m = 0; m < op->multiplier; m++) {
            const int8_t *end = weight + filters->depth;
            const int8_t *x = patch + i;
            uint32_t sum = (uint32_t)filters->channels.bias[channel];
            for (; weight < end; weight++, x += inputs) {
                sum += (uint32_t)(*weight * *x);
            }
            output[channel] = tg_channel_output(&filters->channels, channel, (int32_t)sum,
                                                filters->output_zero_point, filters->output_min,
                                                filters->output_max);
            channel++;
        }
    }
}

void tg_depthwise_conv_2d(const tg_depthwise_conv_2d_t *op, const int8_t *input, int8_t *output,
                          int8_t *scratch) {
    const tg_scan_t *scan = &op->scan;
    for (int32_t b = 0; b < scan->batches; b++) {
        int32_t row = scan->first_row;
        for (int32_t y = 0; y < scan->output_height; y++) {
            int32_t byte = scan->first_byte;
            for (int32_t x = 0; x < scan->output_width; x++) {
                tg_conv_patch(&op->patch, input, row, byte, scratch);
                pixel(op, scratch, output);
                output += op->inputs * op->multiplier;
                byte += scan->stride_bytes;
            }
            row += scan->stride_rows;
        }
        input += scan->input_image_bytes;
    }
}
