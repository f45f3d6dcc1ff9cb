/* Convolutions on MVE: two windows by four filters at a time.
 *
 * VMLADAVA multiplies sixteen int8 by sixteen and adds all products to a register. The eight sums
 * of two windows and four filters fill the eight registers that it can add to; six loads serve
 * eight of it. Windows are first copied into a column in scratch memory: from then on nobody needs
 * them in the input. An odd number of windows ends with a pair of the last one and itself, written
 * twice to the same place.
 *
 * The sums start from a bias that contains the input's zero point, as in conv/tg_conv.h, and what
 * lies in the padding reads as the zero point. */
#ifndef TG_MVE_CONV_H
#define TG_MVE_CONV_H

#include "../conv_gemm/tg_conv_gemm.h"
#include "tg_mve.h"

/* What makes two output pixels of a column: the bytes of two windows, each followed by whatever
 * fills the last vector.
 *
 * stream: for every four filters, the last of which may be filled up with idle ones:
 *
 *     int32 bias[4]
 *     int8 weights[vectors][4][16]    0 behind a filter's last
 *     int32 multiplier[4]
 *     int8 shift[4]                   -31 to -1
 */
typedef struct {
    const int32_t *stream;
    int32_t column_bytes; /* of one window: a multiple of 16 */
    int32_t channels;     /* filters */
    int32_t output_zero_point;
    int32_t output_min;
    int32_t output_max;
} tg_mve_gemm_t;

/* Some blocks of four filters. Assembly knows the order of the fields. */
typedef struct {
    const int32_t *stream;
    const int8_t *a; /* windows */
    const int8_t *b;
    int32_t column_bytes;
    int32_t blocks; /* at least 1 */
    int8_t *output; /* channel 0 of the first window's pixel */
    int32_t output_zero_point;
    uint16_t places[8]; /* channels 0 to 3 of both pixels, by turns: bytes after `output` */
} tg_mve_blocks_t;

typedef void tg_mve_blocks_kernel_t(const tg_mve_blocks_t *op);

tg_mve_blocks_kernel_t tg_mve_blocks;      /* for all limits of the output */
tg_mve_blocks_kernel_t tg_mve_blocks_relu; /* for output_min >= output_zero_point */

/* What is the same for all pairs of windows in this column. */
tg_mve_blocks_t tg_mve_gemm_start(const tg_mve_gemm_t *op, const int8_t *column);

/* Writes `channels` bytes to `output`, and if `pixels` is 2, so many more; the last time it may
 * be 1. */
void tg_mve_gemm(const tg_mve_gemm_t *op, tg_mve_blocks_t *blocks, int8_t *output, int32_t pixels,
                 tg_mve_blocks_kernel_t *kernel);

/* Windows that lie contiguous in the input: 1x1 kernels above all. */
typedef struct {
    int32_t pixels;       /* windows */
    int32_t width;        /* windows in a row */
    int32_t stride_bytes; /* from one window to the next in a row */
    int32_t row_bytes;    /* from one row of windows to the next */
    int32_t depth;        /* bytes of a window */
    tg_mve_gemm_t gemm;
} tg_mve_direct_t;

typedef tg_mve_direct_t tg_conv_direct_mve_t;
typedef tg_mve_direct_t tg_conv_direct_mve_relu_t;

/* Reads two windows, then writes their two pixels, in ascending order. scratch: the column. */
void tg_conv_direct_mve(const tg_conv_direct_mve_t *op, const int8_t *input, int8_t *output,
                        int8_t *scratch);

/* The same with tg_mve_blocks_relu. */
void tg_conv_direct_mve_relu(const tg_conv_direct_mve_relu_t *op, const int8_t *input,
                             int8_t *output, int8_t *scratch);

/* The same with any. */
void tg_mve_direct(const tg_mve_direct_t *op, const int8_t *input, int8_t *output, int8_t *scratch,
                   tg_mve_blocks_kernel_t *kernel);

/* All other convolutions of one image and one group; see tg_conv_ring_gemm_t. */
typedef struct {
    tg_ring_t ring;
    int32_t ring_bytes;
    int32_t pixels; /* windows */
    int32_t width;  /* windows in a row */
    int32_t stride_bytes;
    int32_t stride_rows;
    int32_t row_step;    /* bytes in the ring from a row of windows to the next, modulo the ring */
    int32_t reach;       /* rows from a window's first to its last */
    int32_t rows;        /* kernel rows */
    int32_t kernel_step; /* bytes in the ring from one to the next, modulo the ring */
    int32_t pieces;      /* contiguous parts of a kernel row: 1, or one for each tap if dilated */
    int32_t piece_bytes;
    int32_t piece_step; /* bytes from one to the next */
    tg_mve_gemm_t gemm;
} tg_mve_ring_t;

typedef tg_mve_ring_t tg_conv_ring_mve_t;
typedef tg_mve_ring_t tg_conv_ring_mve_relu_t;

/* Order as for tg_conv_ring_gemm: before a pair of pixels is written, all input rows that its
 * second window reads have been copied, and no row is read twice. Pieces are copied by whole
 * vectors, each over the surplus of the one before. scratch: column, 16 bytes, ring, 16 bytes. */
void tg_conv_ring_mve(const tg_conv_ring_mve_t *op, const int8_t *input, int8_t *output,
                      int8_t *scratch);

/* The same with tg_mve_blocks_relu. */
void tg_conv_ring_mve_relu(const tg_conv_ring_mve_relu_t *op, const int8_t *input, int8_t *output,
                           int8_t *scratch);

/* The same with any. */
void tg_mve_ring(const tg_mve_ring_t *op, const int8_t *input, int8_t *output, int8_t *scratch,
                 tg_mve_blocks_kernel_t *kernel);

#endif /* TG_MVE_CONV_H */
