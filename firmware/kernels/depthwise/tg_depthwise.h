/* Depthwise convolutions of one output channel for each input channel, for cores with DSP
 * instructions; every kernel has a portable twin that reads the same constants.
 *
 * Arithmetic of the 3x3 kernels. The filters are int16, scaled by 2^(1 + d) for each channel, d
 * chosen such that all channels of all layers are shifted by the same TG_DEPTHWISE_SHIFT in the
 * end:
 *
 *     output = saturate((high word of (sum * multiplier) + rounding) >> TG_DEPTHWISE_SHIFT)
 *     rounding = 2^(d - 1) + 2^(TG_DEPTHWISE_SHIFT - 1) + zero point * 2^TG_DEPTHWISE_SHIFT
 *
 * Two instructions make TFLM's two roundings of it, wherever the exact result is not below the zero
 * point, because only negative ties are rounded another way. So the layer's lower limit must not
 * lie below its zero point, as behind any ReLU. */
#ifndef TG_DEPTHWISE_H
#define TG_DEPTHWISE_H

#include "../tg_channels.h"
#include "../tg_runtime.h"

/* 1 <= d <= 7, so that 8-bit weights fit in int16: factors of 2^-3 to 2^-9. */
#define TG_DEPTHWISE_SHIFT 10

/* Words of a channel in a stream: three columns of (w0, w1), (w1, w2), then multiplier, rounding
 * and bias, the last one scaled as the weights. */
#define TG_DEPTHWISE_CHANNEL_WORDS 9

/* A 3x3 depthwise convolution of stride 1 over strips: see tg_depthwise_strip.c. */
typedef struct {
    int32_t batches;
    int32_t channels; /* at least 4 */
    int32_t input_height;
    int32_t input_width;
    int32_t output_height;
    int32_t output_width; /* at least 2 */
    int32_t pad_top;      /* 0 or 1 */
    int32_t pad_left;     /* 0 or 1 */
    int32_t fill;         /* what taps in the padding read: the input's zero point */
    int32_t output_min;
    int32_t output_max;
} tg_depthwise_strip_t;

typedef struct {
    tg_depthwise_strip_t strip;
    const int32_t *stream; /* [channels][TG_DEPTHWISE_CHANNEL_WORDS] */
} tg_depthwise_3x3_int16_t;

/* Two output rows at a time, and in them four channels at a time: reads their part of two input
 * rows, then writes their part of two output rows. The output may overlap the input by the lead
 * that follows from this order. scratch: tg_depthwise_strip's. */
void tg_depthwise_3x3_int16(const tg_depthwise_3x3_int16_t *op, const int8_t *input, int8_t *output,
                            int8_t *scratch);

typedef struct {
    tg_depthwise_strip_t strip;
    int32_t at_once; /* channels whose stream is made at once: all, or four */
    int32_t output_zero_point;
    const int8_t *weights;  /* [channels][3][3] */
    tg_channels_t channels; /* shifts from -3 to -9 */
} tg_depthwise_3x3_int8_t;

/* The same from half the constants: makes the stream of all channels in the beginning, or that of
 * four channels anew for each two rows. scratch: TG_DEPTHWISE_CHANNEL_WORDS words for each channel
 * whose stream is made at once, then tg_depthwise_strip's. */
void tg_depthwise_3x3_int8(const tg_depthwise_3x3_int8_t *op, const int8_t *input, int8_t *output,
                           int8_t *scratch);

/* What one step of the strip kernel works on: two input rows and two output rows of some groups of
 * four channels. The assembly knows the order of the fields up to `strip`. */
typedef struct {
    const int32_t *stream; /* of the first channel that is written */
    int8_t *output; /* that channel of the upper row's first pixel; NULL: only fill the strip */
    uintptr_t last; /* end of the strip's whole pairs of output columns; - 1 if one remains */
    int32_t pitch;  /* bytes to the lower output row; 0 if there is none */
    int32_t pixel;  /* bytes from pixel to pixel */
    const int8_t *above; /* the group's first channel in the upper input row */
    const int8_t *below; /* ... and in the lower one */
    uint32_t *columns;   /* the strip's column that takes the rows' first pixel */
    uint32_t *saved;     /* the rows before, [groups][input_width][4] */
    int32_t above_step;  /* bytes from pixel to pixel; 0 where the row is the padding */
    int32_t below_step;
    uint32_t *columns_end; /* behind the column that takes the rows' last pixel */
    int32_t groups;
    uint32_t *strip; /* the word pair of the first channel that is written, in the first column */
    int32_t output_width;
} tg_depthwise_rows_t;

void tg_depthwise_rows(const tg_depthwise_rows_t *op);

/* Where the stream of a group of four channels comes from: `make` writes it to `stream`. */
typedef struct {
    const void *layer;
    void (*make)(const void *layer, int32_t channel, int32_t count, int32_t *stream);
    int32_t *stream;
} tg_depthwise_maker_t;

/* Bytes: columns of the strip are aligned to 32, the rest to 4. */
void tg_depthwise_strip(const tg_depthwise_strip_t *op, const int32_t *stream,
                        const tg_depthwise_maker_t *maker, const int8_t *input, int8_t *output,
                        int8_t *scratch);

#endif /* TG_DEPTHWISE_H */
