/* 3x3 depthwise convolutions on MVE, from a strip of four input rows.
 *
 * The strip holds a word for each padded column and channel: the bytes of four rows, the oldest in
 * the lowest byte. Four columns of a channel make a vector; times the channel's filter, which fills
 * nine of the sixteen bytes, it is one output. With stride 1 the same vector makes four: the filter
 * may also begin one byte (row) and one word (column) later. With stride 2 every output loads its
 * own. All outputs of a vector belong to one channel, and its factors are scalars. */
#ifndef TG_MVE_DEPTHWISE_H
#define TG_MVE_DEPTHWISE_H

#include "tg_mve.h"

/* Words of a channel in the stream: 0; rows 0 to 2 of each filter column as bytes, and 0; bias;
 * multiplier m; constant c = 2^(e - 1) + zero point * 2^e; 24 - e, for an exponent 1 <= e <= 22.
 *
 * With S = tg_high_mul(sum, m), less 1 where it is negative, an output is (S + c) >> e, saturated
 * to int8. That is the high byte of (S + c) << (24 - e), saturated to int32. */
#define TG_MVE_DEPTHWISE_WORDS 8

typedef struct {
    int32_t batches;
    int32_t channels;
    int32_t input_height;
    int32_t input_width;
    int32_t output_height;
    int32_t output_width;   /* with stride 1 at least 2 */
    int32_t pad_top;        /* rows by which the first window begins above the input */
    int32_t pad_left;       /* columns by which it begins to the left of the input */
    int32_t columns;        /* of the strip: all that a vector reads */
    int32_t filled;         /* of them from the input; the others are padding */
    int32_t strip_channels; /* channels rounded up to whole vectors of eight */
    int32_t fill;           /* what padding reads as: the input's zero point */
    int32_t output_min;
    int32_t output_max;
    const int32_t *stream; /* [channels][TG_MVE_DEPTHWISE_WORDS] */
} tg_mve_depthwise_t;

typedef tg_mve_depthwise_t tg_depthwise_3x3_mve_t;
typedef tg_mve_depthwise_t tg_depthwise_3x3_mve_relu_t;
typedef tg_mve_depthwise_t tg_depthwise_3x3_stride_2_mve_t;

/* With stride 1. Reads each input row once; before output rows are written, by pairs, all input
 * rows that they need have been read. scratch: the strip, then `channels` bytes of padding. */
void tg_depthwise_3x3_mve(const tg_depthwise_3x3_mve_t *op, const int8_t *input, int8_t *output,
                          int8_t *scratch);

/* The same for output_min >= output zero point. */
void tg_depthwise_3x3_mve_relu(const tg_depthwise_3x3_mve_relu_t *op, const int8_t *input,
                               int8_t *output, int8_t *scratch);

/* With stride 2, one output row at a time. */
void tg_depthwise_3x3_stride_2_mve(const tg_depthwise_3x3_stride_2_mve_t *op, const int8_t *input,
                                   int8_t *output, int8_t *scratch);

/* Makes an output row from a strip whose first row is the window's; with stride 1, if `pair`, also
 * the next. */
typedef void tg_mve_depthwise_rows_t(const tg_mve_depthwise_t *op, const int8_t *strip, bool pair,
                                     int8_t *output);

/* All rows of all images. stride: 1 or 2. */
void tg_mve_depthwise(const tg_mve_depthwise_t *op, const int8_t *input, int8_t *output,
                      int8_t *scratch, int32_t stride, tg_mve_depthwise_rows_t *rows);

/* The rows of stride 1 for assembly, which knows the order of the fields: all channels, each in
 * tiles of two outputs of two rows. Without a pair the second row's outputs are those of the first
 * and go there, too. */
typedef struct {
    const int32_t *stream;
    const int8_t *words; /* of the strip's first column */
    int8_t *output;
    uint32_t tile_words;  /* bytes of two columns of the strip */
    uint32_t tile_output; /* bytes of two output pixels */
    uint32_t columns[4];  /* bytes from a tile's first word to each column's */
    uint32_t places[4];   /* bytes from a tile's first output to each */
    uint32_t words_back; /* bytes from the end of a row of tiles to the next channel's first word */
    uint32_t output_back; /* ... and output */
    const int32_t *stream_end;
    int32_t tiles;
    int32_t odd;  /* whether one more tile begins one column before the end of these */
    int32_t down; /* bits by which the second row's filter is shifted: 8, or 0 without a pair */
} tg_mve_tiles_t;

typedef void tg_mve_tiles_kernel_t(const tg_mve_tiles_t *op);

tg_mve_tiles_kernel_t tg_mve_tiles;      /* for all limits of the output */
tg_mve_tiles_kernel_t tg_mve_tiles_relu; /* for output_min >= output zero point */

/* A tg_mve_depthwise_rows_t but for the kernel. */
void tg_mve_depthwise_pair(const tg_mve_depthwise_t *op, const int8_t *strip, bool pair,
                           int8_t *output, tg_mve_tiles_kernel_t *kernel);

#if !TG_MVE

/* The output of a channel whose window begins at `words`. */
static inline int8_t tg_mve_depthwise_output(const int32_t *channel, const int8_t *words,
                                             uint32_t column_bytes) {
    uint32_t sum = (uint32_t)channel[4];
    for (int32_t column = 0; column < 3; column++, words += column_bytes) {
        const int8_t *weights = (const int8_t *)(channel + 1 + column);
        for (int32_t row = 0; row < 3; row++) {
            sum += (uint32_t)(weights[row] * words[row]);
        }
    }
    const int32_t scaled = tg_high_mul((int32_t)sum, channel[5]);
    const int32_t rounded = (scaled < 0 ? scaled - 1 : scaled) + channel[6];
    return (int8_t)tg_clamp(rounded >> (24 - channel[7]), INT8_MIN, INT8_MAX);
}

#endif

#endif /* TG_MVE_DEPTHWISE_H */
