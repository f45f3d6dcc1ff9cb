/* Pooling over windows of the input, channel by channel. */
#ifndef TG_POOL_H
#define TG_POOL_H

#include "../tg_runtime.h"

typedef struct {
    int32_t batches;
    int32_t channels;
    int32_t input_height;
    int32_t input_width;
    int32_t kernel_height;
    int32_t kernel_width;
    int32_t stride_height;
    int32_t stride_width;
    int32_t pad_top;  /* rows by which the first window begins above the input */
    int32_t pad_left; /* columns by which it begins to the left of the input */
    int32_t output_height;
    int32_t output_width;
    int32_t output_min;
    int32_t output_max;
} tg_pool_2d_t;

typedef tg_pool_2d_t tg_average_pool_2d_t;
typedef tg_pool_2d_t tg_max_pool_2d_t;

/* output[b][y][x][c] = the mean of channel c over the window's pixels inside the input, rounded to
 * nearest, halves away from zero; then clamped. Input and output have one quantization.
 * Outputs are written in ascending order, each after the inputs of its channel have been read. */
void tg_average_pool_2d(const tg_average_pool_2d_t *op, const int8_t *input, int8_t *output);

/* The same with the largest value instead of the mean. */
void tg_max_pool_2d(const tg_max_pool_2d_t *op, const int8_t *input, int8_t *output);

/* The part of a window that lies inside the input. */
typedef struct {
    const int8_t *data; /* channel 0 of its first pixel */
    int32_t rows;
    int32_t columns;
} tg_pool_window_t;

static inline tg_pool_window_t tg_pool_window(const tg_pool_2d_t *op, const int8_t *image,
                                              int32_t y, int32_t x) {
    const int32_t row = y * op->stride_height - op->pad_top;
    const int32_t column = x * op->stride_width - op->pad_left;
    const int32_t top = tg_max(row, 0);
    const int32_t left = tg_max(column, 0);
    return (tg_pool_window_t){
        .data = image + (top * op->input_width + left) * op->channels,
        .rows = tg_min(row + op->kernel_height, op->input_height) - top,
        .columns = tg_min(column + op->kernel_width, op->input_width) - left,
    };
}

#endif /* TG_POOL_H */
