#include "tg_layers_s16.h"

/* Channels whose sums are made together. */
#define BLOCK 4

/* The taps of a window along one axis that lie inside the input. */
typedef struct {
    int32_t first; /* tap */
    int32_t count;
    int32_t start; /* input position of the first */
} span_t;

static span_t inside(const tg_axis_t *axis, int32_t window) {
    span_t span = {.count = axis->kernel, .start = window * axis->stride - axis->pad};
    while (span.start < 0) {
        span.start += axis->dilation;
        span.first++;
        span.count--;
    }
    while (span.count > 0 && span.start + (span.count - 1) * axis->dilation >= axis->size) {
        span.count--;
    }
    return span.count > 0 ? span : (span_t){0};
}

/* What all sums of a window have in common. */
typedef struct {
    int32_t rows;
    int32_t columns;
    int32_t tap;        /* values from tap to tap in a row */
    int32_t row;        /* values from a row's start to the next row's */
    int32_t outputs;    /* weights from tap to tap */
    int32_t weight_row; /* weights from a row's start to the next row's */
} window_t;

static void sum_block(const window_t *window, const int16_t *x, const int8_t *w, int32_t *sums) {
    int32_t s0 = 0;
    int32_t s1 = 0;
    int32_t s2 = 0;
    int32_t s3 = 0;
    for (int32_t r = window->rows; r > 0; r--) {
        const int16_t *value = x;
        const int8_t *weight = w;
        for (int32_t c = window->columns; c > 0; c--) {
            s0 += weight[0] * value[0];
            s1 += weight[1] * value[1];
            s2 += weight[2] * value[2];
            s3 += weight[3] * value[3];
            value += window->tap;
            weight += window->outputs;
        }
        x += window->row;
        w += window->weight_row;
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

static int32_t sum_one(const window_t *window, const int16_t *x, const int8_t *w) {
    int32_t sum = 0;
    for (int32_t r = window->rows; r > 0; r--) {
        const int16_t *value = x;
        const int8_t *weight = w;
        for (int32_t c = window->columns; c > 0; c--) {
            sum += *weight * *value;
            value += window->tap;
            weight += window->outputs;
        }
        x += window->row;
        w += window->weight_row;
    }
    return sum;
}

/* x, w: the first channel of the window's first tap inside the input, and of that tap's weights. */
static int16_t *pixel(const tg_depthwise_conv_2d_s16_t *op, const window_t *window,
                      const int16_t *x, const int8_t *w, int16_t *output) {
    const tg_channels_s16_t *channels = &op->filters.channels;
    int32_t channel = 0;
    while (channel < window->outputs) {
        int32_t sums[BLOCK];
        int32_t made = 1;
        if (op->multiplier == 1 && window->outputs - channel >= BLOCK) {
            made = BLOCK;
            sum_block(window, x + channel, w + channel, sums);
        } else {
            sums[0] = sum_one(window, x + channel / op->multiplier, w + channel);
        }
        for (int32_t i = 0; i < made; i++, channel++) {
            *output++ = tg_channel_output_s16(channels, channel, sums[i]);
        }
    }
    return output;
}

void tg_depthwise_conv_2d_s16(const tg_depthwise_conv_2d_s16_t *op, const int16_t *input,
                              int16_t *output) {
    const tg_axis_t *height = &op->height;
    const tg_axis_t *width = &op->width;
    const int32_t outputs = op->inputs * op->multiplier;
    const int32_t row_values = width->size * op->inputs;
    window_t window = {
        .tap = width->dilation * op->inputs,
        .row = height->dilation * row_values,
        .outputs = outputs,
        .weight_row = width->kernel * outputs,
    };
    for (int32_t b = 0; b < op->batches; b++) {
        for (int32_t y = 0; y < height->outputs; y++) {
            const span_t rows = inside(height, y);
            window.rows = rows.count;
            for (int32_t x = 0; x < width->outputs; x++) {
                const span_t columns = inside(width, x);
                window.columns = columns.count;
                const int32_t tap = rows.first * width->kernel + columns.first;
                const int32_t at = rows.start * row_values + columns.start * op->inputs;
                output =
                    pixel(op, &window, input + at, op->filters.weights + tap * outputs, output);
            }
        }
        input += height->size * row_values;
    }
}
