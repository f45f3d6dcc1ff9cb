/* Depthwise convolutions with windows of any size, stride and dilation, for cores with DSP
 * instructions: four channels of a window at a time, read where they lie in the input.
 *
 * Two taps of a window, four bytes each, become four words of two int16, one for each channel, and
 * a multiply-accumulate serves both taps. Taps go by eight in the loop and one after it, since the
 * square of an odd number is one more than a multiple of eight; other windows are filled up with
 * taps of weight 0. */
#ifndef TG_DEPTHWISE_TAPS_H
#define TG_DEPTHWISE_TAPS_H

#include "tg_depthwise.h"

typedef struct {
    int32_t batches;
    int32_t channels; /* at least 4 */
    int32_t input_height;
    int32_t input_width;
    int32_t output_height;
    int32_t output_width;
    int32_t kernel_height;
    int32_t kernel_width;
    int32_t stride_height;
    int32_t stride_width;
    int32_t dilation_height;
    int32_t dilation_width;
    int32_t pad_top;
    int32_t pad_left;
    int32_t fill;      /* what taps in the padding read: the input's zero point */
    int32_t inner_top; /* output rows from here to inner_bottom read no padding rows ... */
    int32_t inner_bottom;
    int32_t inner_left; /* ... and likewise the columns */
    int32_t inner_right;
    int32_t output_min;
    int32_t output_max;
    int32_t group_words; /* of a group in the stream */
    int32_t general;     /* which requantization, see below */
} tg_depthwise_geometry_t;

typedef struct {
    tg_depthwise_geometry_t geometry;
    /* Groups of four channels c0 ... c3; if channels are left over, the last four are one more
     * group. Of a group: four biases; for each two taps t, u the words (t, u) of c0, c1, c2, c3; of
     * the last tap (c0, c2), (c1, c3); and the factors: general 0: multiplier, rounding of each
     * channel, as for the 3x3 kernels in tg_depthwise.h; general 1: multiplier m, rounding c = 2^(e
     * - 1) + zero point * 2^e, exponent e of each channel, 1 <= e <= 22; filters and biases are
     * doubled, and output = saturate(((high word of sum * m, rounded) + c - (1 if sum < 0)) >> e).
     */
    const int32_t *stream;
} tg_depthwise_taps_t;

/* Pixels in ascending order, and in a pixel groups in ascending order: reads a group's part of the
 * window, then writes its four channels. scratch: two tables of a word for each tap, filled up, and
 * one more; a pixel. */
void tg_depthwise_taps(const tg_depthwise_taps_t *op, const int8_t *input, int8_t *output,
                       int8_t *scratch);

typedef struct {
    tg_depthwise_geometry_t geometry;
    int32_t output_zero_point;
    const int8_t *weights; /* [channels][taps] */
    tg_channels_t channels;
} tg_depthwise_taps_int8_t;

/* The same from the portable kernel's constants: makes the stream in the beginning. scratch: the
 * stream, then tg_depthwise_taps'. */
void tg_depthwise_taps_int8(const tg_depthwise_taps_int8_t *op, const int8_t *input, int8_t *output,
                            int8_t *scratch);

/* What both do with a stream. */
void tg_depthwise_windows_of(const tg_depthwise_geometry_t *op, const int32_t *stream,
                             const int8_t *input, int8_t *output, int8_t *scratch);

/* Some windows side by side with the same offsets of taps. The assembly knows the order of the
 * fields. */
typedef struct {
    uintptr_t window; /* address of the first window's upper left corner, maybe outside the input */
    const int32_t *stream;
    const int32_t *offsets_end; /* of those that go by eight; one follows, then the address of
                                 * the first */
    uintptr_t delta;            /* address of the first output pixel, less `window` */
    const int32_t *offsets;     /* bytes from a window's corner to its taps */
    const int32_t *stream_end;
    const int32_t *stream_begin; /* = stream */
    int32_t pixels;
    int32_t window_step; /* bytes from the last group of a window to the first of the next window */
    int32_t delta_step;  /* by how much delta changes from window to window */
    int32_t general;
} tg_depthwise_windows_t;

void tg_depthwise_windows(const tg_depthwise_windows_t *op);

#endif /* TG_DEPTHWISE_TAPS_H */
