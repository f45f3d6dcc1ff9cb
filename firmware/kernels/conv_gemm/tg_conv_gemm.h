/* Convolutions as products of two matrices, two windows by two filters at a time.
 *
 * A column holds the values of two windows, widened to int16, as the inner loop loads them: for
 * every step of four values k0 k1 k2 k3 the words (k0, k2) and (k1, k3) of the first window, then
 * those of the second; SXTB16 makes such words of int8 in memory. A stream holds, for one pair of
 * filters after the other, all that their four sums need, in the order of use. Both load with LDM,
 * four multiply-accumulates take two SMLAD, and everything else is paid once for many of them.
 *
 * An odd number of windows ends with a column that holds the last one twice and is written twice to
 * the same place; an odd number of filters ends with the pair of the last two, whose first is
 * computed again. So no kernel has a slow path for what is left over.
 *
 * The sums start from a bias that contains the input's zero point, as in conv/tg_conv.h, and what
 * lies in the padding reads as the zero point. Preconditions on weights, bias and factors are
 * proven by the compiler for every layer; a layer that misses them keeps the portable kernel. */
#ifndef TG_CONV_GEMM_H
#define TG_CONV_GEMM_H

#include "../tg_dsp.h"

/* What makes two output pixels of a column. Assembly reads the first five fields. */
typedef struct {
    const int32_t *stream;
    int32_t steps;            /* of four values; the column has 4 * steps words */
    int32_t channels;         /* filters, at least 2 */
    int32_t requantize;       /* see the micro-kernel */
    const int32_t *constants; /* tg_gemm_pair8's for each filter */
    int8_t output_min;        /* limits tighter than int8's are a second pass */
    int8_t output_max;
} tg_gemm_t;

/* A micro-kernel writes `channels` bytes to each of `first` and `second`, which may be the same. */
typedef void tg_gemm_kernel_t(const tg_gemm_t *op, const uint32_t *column, int8_t *first,
                              int8_t *second);

/* Weights as int16, times a power of two; bias and sums s are, too. The stream of a pair of
 * filters:
 *
 *     bias 0, bias 1, bias 0, bias 1
 *     for every step: (k0, k2) and (k1, k3) of filter 0, then of filter 1
 *     by `requantize`, for each filter its multiplier m, a constant c, an exponent e:
 *         0:  m0, c0, m1, c1            output = ssat8(high_word(s * m + 2^32 * c) >> 12)
 *         1:  m0, c0, e0, m1, c1, e1    output = ssat8((rounded_high_word(s * m) + c - n) >> e),
 *                                       n = 1 where s < 0, else 0
 *         2:  nothing; `channels` is 16 bytes for each pair of filters, and `first` receives the
 *             sums: of both filters for the first window, then for the second
 *
 * Form 0 is exact where negative sums are clamped away, form 1 always: see packing.py. */
tg_gemm_kernel_t tg_gemm_int16;

/* Weights of two filters in one int16: wa + 256 * wb. Multiplied as they are they sum up to
 * A + 256 * B, their sign-extended low bytes to A; the difference over 256 is B again as long as
 * |B| < 2^23. The stream of a pair of filters:
 *
 *     for every step: (k0, k2) and (k1, k3)
 *
 * Its constants: ma, bias_a * 256 + ea - 1, mb, bias_b * 256 + eb - 1. They lie apart from the
 * weights so that either can be decoded without the other.
 * With s = A + bias and requantize = 2 * zero point + 1, c = requantize << (e - 1):
 *     output = ssat8((rounded_high_word(2 * s * m) + c - n) >> e), n = 1 where s < 0, else 0 */
tg_gemm_kernel_t tg_gemm_pair8;

/* Applies limits that are tighter than int8's to outputs just written. */
void tg_gemm_clamp_bytes(const tg_gemm_t *op, int8_t *output, int32_t bytes);

static inline void tg_gemm_clamp(const tg_gemm_t *op, int8_t *output, int32_t bytes) {
    if (op->output_min > INT8_MIN || op->output_max < INT8_MAX) {
        tg_gemm_clamp_bytes(op, output, bytes);
    }
}

/* Steps of a column from that many words, at least one, of two windows. Returns where the next step
 * goes. */
uint32_t *tg_column_words(const int8_t *a, const int8_t *b, int32_t words, uint32_t *column);

/* Windows that lie contiguous in the input: 1x1 kernels above all. */
typedef struct {
    int32_t pixels;       /* windows */
    int32_t width;        /* windows in a row */
    int32_t stride_bytes; /* from one window to the next in a row */
    int32_t row_bytes;    /* from one row of windows to the next */
    int32_t words;        /* whole words of a window */
    int32_t rest;         /* bytes of a window after them: 0 to 3 */
    tg_gemm_t gemm;
} tg_conv_direct_gemm_t;

/* Reads two windows, then writes their two pixels, in ascending order. scratch: the column. */
void tg_conv_direct_gemm(const tg_conv_direct_gemm_t *op, const int8_t *input, int8_t *output,
                         int8_t *scratch, tg_gemm_kernel_t *gemm);

typedef tg_conv_direct_gemm_t tg_conv_direct_int16_t;
typedef tg_conv_direct_gemm_t tg_conv_direct_pair8_t;

void tg_conv_direct_int16(const tg_conv_direct_int16_t *op, const int8_t *input, int8_t *output,
                          int8_t *scratch);
void tg_conv_direct_pair8(const tg_conv_direct_pair8_t *op, const int8_t *input, int8_t *output,
                          int8_t *scratch);

/* Input rows, padded on all sides, of which the last few are kept. A row's place is its number
 * modulo the ring's rows; row 0 is the first padding row, or the first input row where there is
 * none. */
typedef struct {
    int32_t rows;      /* kept at a time */
    int32_t row_bytes; /* of a padded row, rounded up to whole words */
    int32_t pad_rows;  /* before the first input row */
    int32_t pad_bytes; /* before the first byte of a row */
    int32_t fill;      /* what padding reads as: the input's zero point */
    int32_t input_rows;
    int32_t input_row_bytes;
    int32_t copied_bytes; /* of an input row, from its start; windows reach no further */
} tg_ring_t;

/* The reader's side of a ring: how many rows it has seen, and where the next one comes from. */
typedef struct {
    int8_t *bytes;
    const int8_t *input; /* the next input row */
    int32_t loaded;      /* rows, padding included */
    int32_t slot;        /* where the next row goes, in bytes */
} tg_ring_state_t;

/* Fills the ring with padding, so that rows before the input need no loading. */
void tg_ring_start(const tg_ring_t *op, tg_ring_state_t *ring, int8_t *bytes, const int8_t *input);

/* Loads rows until the ring has seen `rows` of them. */
void tg_ring_load(const tg_ring_t *op, tg_ring_state_t *ring, int32_t rows);

/* The same piece of all kernel rows of a window in a ring. Assembly reads the fields. */
typedef struct {
    int32_t words; /* whole words of a piece */
    int32_t rest;  /* bytes of a piece after them: 0 to 3 */
    int32_t rows;  /* kernel rows */
    int32_t step;  /* bytes from the end of a piece's words to the next kernel row */
    int32_t ring_bytes;
    int32_t rests_bytes; /* room for the rests of one window, and for the surplus of a word */
} tg_taps_t;

/* Steps of a column from the whole words of two windows' pieces at a and b, in a ring that ends at
 * `end`. What doesn't fill a word is appended to `rests`, and to `rests + rests_bytes`, by whole
 * words, each over the surplus of the one before. Returns where the next step goes. */
uint32_t *tg_column_rows(const tg_taps_t *op, const int8_t *a, const int8_t *b, uint32_t *column,
                         const int8_t *end, int8_t *rests);

/* All other convolutions of one image and one group. */
typedef struct {
    tg_ring_t ring;
    int32_t pixels; /* windows */
    int32_t width;  /* windows in a row */
    int32_t stride_bytes;
    int32_t stride_rows;
    int32_t row_step;   /* bytes in the ring from a row of windows to the next, modulo the ring */
    int32_t reach;      /* rows from a window's first to its last */
    int32_t pieces;     /* contiguous parts of a kernel row: 1, or one for each tap if dilated */
    int32_t piece_step; /* bytes from one to the next */
    tg_taps_t taps;
    int32_t rest_words; /* that the rests of all pieces fill */
    tg_gemm_t gemm;
} tg_conv_ring_gemm_t;

/* The column of two windows: first the whole words of all pieces, then the rests. The last pixel of
 * an odd row is paired with the first of the next row. Writes pixels in ascending order, by pairs;
 * before a pair is written, all input rows that its second window reads have been copied, and no
 * row is read twice. scratch: column, taps.rests_bytes twice, ring and one word. */
void tg_conv_ring_gemm(const tg_conv_ring_gemm_t *op, const int8_t *input, int8_t *output,
                       int8_t *scratch, tg_gemm_kernel_t *gemm);

typedef tg_conv_ring_gemm_t tg_conv_ring_int16_t;
typedef tg_conv_ring_gemm_t tg_conv_ring_pair8_t;

void tg_conv_ring_int16(const tg_conv_ring_int16_t *op, const int8_t *input, int8_t *output,
                        int8_t *scratch);
void tg_conv_ring_pair8(const tg_conv_ring_pair8_t *op, const int8_t *input, int8_t *output,
                        int8_t *scratch);

/* 3x3 convolutions of stride 1 by Winograd's F(2, 3) along rows: of four neighbours d, four
 * products make two outputs instead of six. With twice the usual weights everything is an integer:
 *
 *     components of the input     d0 - d2    d1 + d2         d2 - d1         d1 - d3
 *     components of the weights   2 g0       g0 + g1 + g2    g0 - g1 + g2    2 g2
 *     twice the outputs           M0 + M1 + M2  and  M1 - M2 - M3
 *
 * where M are the sums, over kernel rows and channels, of the products of components. Twice a sum
 * is what requantization wants. Four pixels of a row are made at a time: two tiles of two, which
 * are the two windows of the micro-kernel. (Lavin and Gray, "Fast Algorithms for Convolutional
 * Neural Networks", 2015, section 4.1) */
typedef struct {
    tg_ring_t ring;          /* 3 rows that hold whole blocks of 4 windows */
    int32_t height;          /* of the output */
    int32_t width;           /* of the output */
    int32_t inputs;          /* input channels, a multiple of 4 */
    int32_t channels;        /* filters, at least 2 */
    int32_t component_words; /* of the stream */
    const int32_t *factors;  /* [channels][3]: m, c and e of tg_gemm_int16's form 1 */
    tg_gemm_t gemm;          /* form 2; M1's bias is twice the layer's, the others have none */
} tg_conv_winograd_t;

/* Before a row is written, all input rows that it needs have been copied, and none is read twice.
 * scratch: the columns and the sums of four components, four pixels rounded up to words, ring. */
void tg_conv_winograd(const tg_conv_winograd_t *op, const int8_t *input, int8_t *output,
                      int8_t *scratch);

#endif /* TG_CONV_GEMM_H */
