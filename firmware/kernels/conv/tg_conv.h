/* Convolutions.
 *
 * An output pixel is made of one window of the input. Except where a window already lies contiguous
 * in the input, it is first copied into scratch memory, the patch: [kernel rows][kernel columns]
 * [channels], where taps in the padding read as the input's zero point. Then every sum runs over
 * plain bytes, and since each tap is there, the input's zero point can be folded into the bias:
 *
 *     sum of w * (x - z) over the taps inside  =  sum of w * x over all taps  -  z * sum of w
 *
 * Sums wrap around at 32 bits like TFLM's, so that no order of summing can show.
 *
 * Distances named "bytes" are precomputed products of pixels and channels. */
#ifndef TG_CONV_H
#define TG_CONV_H

#include "../tg_channels.h"
#include "../tg_runtime.h"

/* What is computed from a window: one weighted sum for each filter. This is the part that another
 * layout of the weights replaces. */
typedef struct {
    int32_t depth; /* weights of a filter = bytes of its window */
    int32_t output_zero_point;
    int32_t output_min;
    int32_t output_max;
    const int8_t *weights; /* [filters][depth] */
    tg_channels_t channels;
} tg_filters_t;

/* How a window is copied into a patch. A kernel row is copied in pieces: one piece where its taps
 * lie side by side in the input, else (dilated, or a group of the channels) a piece for each tap.
 */
typedef struct {
    int32_t rows;            /* kernel rows */
    int32_t row_step;        /* input rows from one kernel row to the next: the dilation */
    int32_t pieces;          /* in a kernel row */
    int32_t piece_bytes;     /* length of a piece; a patch has rows * pieces * piece_bytes bytes */
    int32_t piece_step;      /* bytes in the input from one piece to the next */
    int32_t input_height;    /* rows */
    int32_t input_row_bytes; /* width * channels */
    int32_t fill;            /* what taps in the padding read: the input's zero point */
} tg_patch_t;

/* Where windows begin. */
typedef struct {
    int32_t batches;
    int32_t input_image_bytes;
    int32_t first_row;     /* input row of the first window; negative in padding */
    int32_t first_byte;    /* left edge of the first window in its row; negative in padding */
    int32_t stride_rows;   /* input rows from one window down to the next */
    int32_t stride_bytes;  /* bytes from one window right to the next */
    int32_t output_height; /* windows in a column */
    int32_t output_width;  /* windows in a row */
} tg_scan_t;

/* Copies one window. image: the input of one batch (from the first channel of the group on);
 * row, byte: the window's upper left corner. Writes the patch and reads only inside the image. */
void tg_conv_patch(const tg_patch_t *op, const int8_t *image, int32_t row, int32_t byte,
                   int8_t *patch);

/* output[i] = requantize(bias[f] + sum over d of weights[f][d] * window[d]), f = first + i, for
 * 0 <= i < count. Reads the window until the last output is written: only that one may overlap it.
 */
void tg_conv_filters(const tg_filters_t *op, int32_t first, int32_t count, const int8_t *window,
                     int8_t *output);

typedef struct {
    tg_scan_t scan;
    tg_patch_t patch;
    int32_t groups;            /* of input channels, each read by its own filters */
    int32_t group_inputs;      /* input channels of a group */
    int32_t group_outputs;     /* filters of a group */
    int32_t output_image_step; /* bytes from a window's output to that of the next image ... */
    int32_t output_row_step;   /* ... the next row ... */
    int32_t output_pixel_step; /* ... the next window in the row */
    tg_filters_t filters;
} tg_conv_2d_t;

/* output[b][y][x][f] = requantize(bias[f] + sum over the taps t of f's group of
 * weights[f][t] * window(b, y, x)[t]).
 * Pixels are written in ascending order, the channels of a pixel too, and a group's patch is copied
 * before any of its channels is written: an output pixel may overwrite input that no later patch
 * copies. scratch: one group's patch. */
void tg_conv_2d(const tg_conv_2d_t *op, const int8_t *input, int8_t *output, int8_t *scratch);

typedef struct {
    int32_t batches;
    int32_t height; /* of the output */
    int32_t width;  /* of the output */
    int32_t input_image_bytes;
    int32_t stride_row_bytes; /* bytes from one window down to the next */
    int32_t stride_bytes;     /* bytes from one window right to the next */
    int32_t groups;
    int32_t group_outputs;
    tg_filters_t filters; /* depth: bytes of one group's window */
} tg_conv_direct_t;

/* tg_conv_2d where each window lies contiguous in the input: 1x1 kernels, and unpadded kernels as
 * wide as the input. No patch, no scratch. Pixels, groups and channels in ascending order; a
 * group's window is read until the last of its channels is written. */
void tg_conv_direct(const tg_conv_direct_t *op, const int8_t *input, int8_t *output);

typedef struct {
    tg_scan_t scan;
    tg_patch_t patch;
    int32_t inputs;       /* channels of the input */
    int32_t multiplier;   /* output channels made of each */
    tg_filters_t filters; /* depth: taps; weights [inputs * multiplier][taps] */
} tg_depthwise_conv_2d_t;

/* output[b][y][x][i * multiplier + m] = requantize(bias + sum over the taps t of
 * weights[i * multiplier + m][t] * window(b, y, x)[t][i]).
 * Order and overlap as for tg_conv_2d. scratch: one patch. */
void tg_depthwise_conv_2d(const tg_depthwise_conv_2d_t *op, const int8_t *input, int8_t *output,
                          int8_t *scratch);

/* Output rows (or columns) that meet the same kernel rows of a transposed convolution: those of
 * equal position modulo the stride. For them it is a plain convolution of stride 1. */
typedef struct {
    int32_t taps;    /* kernel rows that they meet */
    int32_t first;   /* first input row of the phase's first window; may lie outside the input */
    int32_t outputs; /* output rows in this phase */
} tg_phase_t;

typedef struct {
    tg_conv_2d_t conv; /* what all phases share; the rest is set for each phase */
    int32_t inputs;    /* input channels */
    int32_t output_row_bytes;
    int32_t phase_rows;
    int32_t phase_columns;
    const int32_t *rows;    /* [phase_rows][3]: the fields of tg_phase_t */
    const int32_t *columns; /* [phase_columns][3] */
} tg_transpose_conv_t;

/* output[b][y][x][f] = requantize(bias[f] + sum of weights[f][ky][kx][i] * (input[b][iy][ix][i] -
 * z) over all taps with iy * stride - pad + ky = y and ix * stride - pad + kx = x). One tg_conv_2d
 * for each pair of phases, over weights [phase rows][phase columns][filters][taps of the pair] with
 * their own biases [phase rows][phase columns][filters]. The output must not overlap the input.
 * scratch: the largest patch. */
void tg_transpose_conv(const tg_transpose_conv_t *op, const int8_t *input, int8_t *output,
                       int8_t *scratch);

#endif /* TG_CONV_H */
