/* Pooling and reductions of int16 tensors. */
#ifndef TG_POOL_S16_H
#define TG_POOL_S16_H

#include "../pool/tg_pool.h"
#include "../reduce/tg_reduce.h"

typedef tg_pool_2d_t tg_average_pool_2d_s16_t;
typedef tg_pool_2d_t tg_max_pool_2d_s16_t;
typedef tg_sum_t tg_sum_s16_t;

/* tg_average_pool_2d, tg_max_pool_2d and tg_sum for int16, with their order and overlap. A mean is
 * taken over at most 65535 values, so that no sum overflows 32 bits. */
void tg_average_pool_2d_s16(const tg_average_pool_2d_s16_t *op, const int16_t *input,
                            int16_t *output);
void tg_max_pool_2d_s16(const tg_max_pool_2d_s16_t *op, const int16_t *input, int16_t *output);
void tg_sum_s16(const tg_sum_s16_t *op, const int16_t *input, int16_t *output);

/* The part of a window that lies inside the input. */
typedef struct {
    const int16_t *data; /* channel 0 of its first pixel */
    int32_t rows;
    int32_t columns;
    int32_t row_gap; /* values from behind a row to the start of the next */
} tg_pool_window_s16_t;

static inline tg_pool_window_s16_t tg_pool_window_s16(const tg_pool_2d_t *op, const int16_t *image,
                                                      int32_t y, int32_t x) {
    const int32_t row = y * op->stride_height - op->pad_top;
    const int32_t column = x * op->stride_width - op->pad_left;
    const int32_t top = tg_max(row, 0);
    const int32_t left = tg_max(column, 0);
    const int32_t columns = tg_min(column + op->kernel_width, op->input_width) - left;
    return (tg_pool_window_s16_t){
        .data = image + (top * op->input_width + left) * op->channels,
        .rows = tg_min(row + op->kernel_height, op->input_height) - top,
        .columns = columns,
        .row_gap = (op->input_width - columns) * op->channels,
    };
}

#endif /* TG_POOL_S16_H */
