/* Pooling four or sixteen channels at a time, on DSP instructions or their portable twins.
 *
 * Order and overlap are as for the kernels of tg_pool.h, but for this: of a window, up to sixteen
 * channels are read before the first of them is written. */
#ifndef TG_POOL_PACKED_H
#define TG_POOL_PACKED_H

#include "../tg_dsp.h"
#include "tg_pool.h"

typedef tg_pool_2d_t tg_average_pool_2d_packed_t;
typedef tg_pool_2d_t tg_max_pool_2d_packed_t;

/* Windows of at most 256 pixels. */
void tg_average_pool_2d_packed(const tg_average_pool_2d_packed_t *op, const int8_t *input,
                               int8_t *output);

void tg_max_pool_2d_packed(const tg_max_pool_2d_packed_t *op, const int8_t *input, int8_t *output);

typedef struct {
    int32_t pixels; /* at most 256 */
    int32_t channels;
    int32_t bias; /* -(input zero point) * pixels */
    int32_t output_zero_point;
    tg_rescale_t rescale;
} tg_mean_pixels_t;

/* output[c] = clamp(requantize(bias + sum of channel c) + output_zero_point): tg_sum over the
 * pixels of an image. */
void tg_mean_pixels(const tg_mean_pixels_t *op, const int8_t *input, int8_t *output);

/* The most channels that are summed at once. */
#define TG_POOL_BLOCK 16

/* A window's pixels: `columns` of them side by side, each `step` bytes after the one before, then
 * `row_gap` bytes to the next row. */
typedef struct {
    int32_t rows;
    int32_t columns;
    int32_t step;
    int32_t row_gap;
} tg_pool_pixels_t;

/* Sums of the next 16, 4 or 1 of `channels` channels. Returns how many. The sums of a window of at
 * most 256 pixels fit in int16. */
int32_t tg_pool_sums(const tg_pool_pixels_t *pixels, const int8_t *first, int32_t channels,
                     int32_t sums[TG_POOL_BLOCK]);

#endif /* TG_POOL_PACKED_H */
