/* Layers with int8 weights over int16 activations: convolutions and fully connected layers.
 *
 * 16-bit activations are symmetric: every zero point is 0, so padding is zeros and no bias holds a
 * zero point. A product of a weight and a value has 22 bits and a sign: sums run in 32 bits over so
 * many of them as fit, and beyond in 64. Distances named "bytes" count bytes, as in
 * conv/tg_conv.h; those in elements are named after what they count. */
#ifndef TG_LAYERS_S16_H
#define TG_LAYERS_S16_H

#include "../conv/tg_conv.h"
#include "../tg_runtime.h"

/* How a sum becomes an output, for each output channel. TFLM knows two kinds of sums, by the type
 * of the bias: 64 bits, requantized by a multiplier of 15 bits and one rounding, and 32 bits that
 * wrap around, requantized by tg_requantize. */
typedef struct {
    int32_t wide;             /* 1: sums have 64 bits; 0: 32 */
    const int32_t *bias;      /* [channels] */
    const int32_t *bias_high; /* [channels], the upper halves; null where all fit in 32 bits */
    const int32_t *multiplier;
    const int8_t *shift; /* wide: to the right, 8 to 46; else as in tg_rescale_t */
    int32_t step;        /* 1: a factor for each channel; 0: multiplier[0] and shift[0] serve all */
    int32_t output_min;
    int32_t output_max;
} tg_channels_s16_t;

/* x * multiplier / 2^right, rounded to nearest, halves up, with the wrap-around of two's
 * complement. (MultiplyByQuantizedMultiplier of an int64_t, whose multiplier is rounded offline
 * here) */
static inline int32_t tg_requantize_wide(int64_t x, int32_t multiplier, int32_t right) {
    const int64_t product = (int64_t)((uint64_t)x * (uint64_t)multiplier);
    return (int32_t)(((product >> (right - 1)) + 1) >> 1);
}

/* The stored output of a channel's sum of products. */
static inline int16_t tg_channel_output_s16(const tg_channels_s16_t *channels, int32_t channel,
                                            int64_t sum) {
    const int32_t i = channel * channels->step;
    const int32_t multiplier = channels->multiplier[i];
    const int32_t low = channels->bias[channel];
    int32_t scaled;
    if (channels->wide != 0) {
        int64_t bias = low;
        if (channels->bias_high != NULL) {
            bias = (int64_t)((uint64_t)channels->bias_high[channel] << 32 | (uint32_t)low);
        }
        const uint64_t total = (uint64_t)sum + (uint64_t)bias;
        scaled = tg_requantize_wide((int64_t)total, multiplier, channels->shift[i]);
    } else {
        const uint32_t total = (uint32_t)(uint64_t)sum + (uint32_t)low;
        scaled = tg_requantize((int32_t)total, multiplier, channels->shift[i]);
    }
    return (int16_t)tg_clamp(scaled, channels->output_min, channels->output_max);
}

typedef struct {
    int32_t depth;         /* weights of a filter = values of its window */
    const int8_t *weights; /* [filters][depth] */
    tg_channels_s16_t channels;
} tg_filters_s16_t;

/* output[i] = requantize(bias[f] + sum over d of weights[f][d] * window[d]), f = first + i, for
 * 0 <= i < count. Reads the window until the last output is written: only that one may overlap it.
 */
void tg_filters_s16(const tg_filters_s16_t *op, int32_t first, int32_t count, const int16_t *window,
                    int16_t *output);

typedef struct {
    tg_scan_t scan;
    tg_patch_t patch;      /* fills with 0 */
    int32_t groups;        /* of input channels, each read by its own filters */
    int32_t group_bytes;   /* of a group's input channels */
    int32_t group_outputs; /* filters of a group */
    tg_filters_s16_t filters;
} tg_conv_2d_s16_t;

/* output[b][y][x][f] = requantize(bias[f] + sum over the taps t of f's group of
 * weights[f][t] * window(b, y, x)[t]).
 * Pixels are written in ascending order, the channels of a pixel too, and a group's patch is copied
 * before any of its channels is written: an output pixel may overwrite input that no later patch
 * copies. scratch: one group's patch. */
void tg_conv_2d_s16(const tg_conv_2d_s16_t *op, const int16_t *input, int16_t *output,
                    int16_t *scratch);

typedef struct {
    int32_t batches;
    int32_t height;       /* of the output */
    int32_t width;        /* of the output */
    int32_t image_values; /* of an input image */
    int32_t stride_row;   /* values from one window down to the next */
    int32_t stride;       /* values from one window right to the next */
    int32_t groups;
    int32_t group_outputs; /* filters of a group */
    tg_filters_s16_t filters;
} tg_conv_direct_s16_t;

/* tg_conv_2d_s16 where each window lies contiguous in the input: 1x1 kernels, and unpadded kernels
 * as wide as the input. No patch, no scratch. Pixels, groups and channels in ascending order; a
 * group's window is read until the last of its channels is written. */
void tg_conv_direct_s16(const tg_conv_direct_s16_t *op, const int16_t *input, int16_t *output);

/* One spatial dimension of a window and of the image that it visits. */
typedef struct {
    int32_t size;    /* input positions */
    int32_t outputs; /* windows */
    int32_t kernel;  /* taps of a window */
    int32_t stride;
    int32_t dilation;
    int32_t pad; /* positions by which the first window begins before the input */
} tg_axis_t;

typedef struct {
    int32_t batches;
    int32_t inputs;     /* channels of the input */
    int32_t multiplier; /* output channels made of each */
    tg_axis_t height;
    tg_axis_t width;
    tg_filters_s16_t filters; /* depth: taps; weights [taps][inputs * multiplier] */
} tg_depthwise_conv_2d_s16_t;

/* output[b][y][x][i * multiplier + m] = requantize(bias + sum over the taps t inside the input of
 * weights[t][i * multiplier + m] * window(b, y, x)[t][i]).
 * Sums have 32 bits: a filter's weights may sum up to 65535 in magnitude. Outputs are written in
 * ascending order, each after the window of its input channel has been read for it. */
void tg_depthwise_conv_2d_s16(const tg_depthwise_conv_2d_s16_t *op, const int16_t *input,
                              int16_t *output);

typedef struct {
    int32_t batches;
    int32_t outputs;
    tg_filters_s16_t filters; /* depth: inputs */
} tg_fully_connected_s16_t;

/* output[b][o] = requantize(bias[o] + sum over i of weights[o][i] * input[b][i]).
 * The output must not overlap the input. */
void tg_fully_connected_s16(const tg_fully_connected_s16_t *op, const int16_t *input,
                            int16_t *output);

#endif /* TG_LAYERS_S16_H */
