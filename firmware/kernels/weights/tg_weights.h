/* Weights in few bits: what a layer's int8 weights are encoded as in flash, and decoded from into
 * scratch memory before an existing kernel reads them.
 *
 * Weights are decoded row by row, eight values at a time. A code of 1 to 8 bits stands for one of a
 * table of int8 values, or for a multiple of a factor. Where a layer has many zeros, a bit for each
 * value says whether it is another, and only those have codes. So a row takes 8 * groups * bits
 * bits, or a byte for each group and `bits` for each value that is not zero.
 *
 * Rows are what the kernel wants that reads them: all weights of a layer one after the other, a
 * filter (where filters have tables of their own), or two filters interleaved. In the last case two
 * values a, b make the halfword a + 256 * b, which differs from the two bytes a and b where a is
 * negative. */
#ifndef TG_WEIGHTS_H
#define TG_WEIGHTS_H

#include "tg_dsp.h"

typedef struct {
    /* Codes from the lowest bit of the first byte on, each row's behind those of the row before.
     * With TG_WEIGHTS_SPARSE [rows][groups] bytes precede them: bit i tells whether value i of a
     * group is not zero. Three bytes follow that may be read. */
    const uint8_t *codes;
    /* [2^bits] values, or [1] factor; with TG_WEIGHTS_OWN for each row, and where two filters
     * interleave for both. */
    const int8_t *values;
    const int32_t *tails; /* four words that are appended to each row, or NULL */
    int32_t bits;         /* of a code: 1 to 8 */
    int32_t flags;        /* TG_WEIGHTS_... */
    int32_t rows;
    int32_t groups;    /* of eight values in a row */
    int32_t row_bytes; /* from one decoded row to the next; the surplus of the last group, less than
                        * eight bytes, is overwritten by the next row */
} tg_weights_t;

#define TG_WEIGHTS_SPARSE 1 /* zeros have no codes */
#define TG_WEIGHTS_PAIRED 2 /* values make halfwords of two filters */
#define TG_WEIGHTS_OWN 4    /* rows have tables of their own */
#define TG_WEIGHTS_LINEAR 8 /* a code stands for (code - 2^(bits - 1)) * factor */

/* Where the next row comes from. */
typedef struct {
    const tg_weights_t *op;
    const uint8_t *masks;
    const uint8_t *codes;
    const int8_t *values;
    uint32_t buffer; /* codes that have been loaded */
    int32_t left;    /* bits of them */
} tg_weights_reader_t;

void tg_weights_start(const tg_weights_t *op, tg_weights_reader_t *reader);

/* Decodes the next row, without its tail. Writes 8 * groups bytes, aligned to 4 where values are
 * paired. */
void tg_weights_row(tg_weights_reader_t *reader, int8_t *target);

/* Decodes all rows with their tails. Returns the target. */
int8_t *tg_weights_all(const tg_weights_t *op, int8_t *target);

/* A kernel that decodes the weights of another one. What it needs of `layer` is as without codes,
 * except that the pointer to the weights is set to the decoded ones, which take the first
 * `decoded_bytes` of scratch memory; the rest is the other kernel's. */
#define TG_CODED_LAYER(kernel)                                                                     \
    typedef struct {                                                                               \
        tg_weights_t weights;                                                                      \
        int32_t decoded_bytes;                                                                     \
        tg_##kernel##_t layer;                                                                     \
    } tg_coded_##kernel##_t;                                                                       \
    void tg_coded_##kernel(const tg_coded_##kernel##_t *op, const int8_t *input, int8_t *output,   \
                           int8_t *scratch)

#endif /* TG_WEIGHTS_H */
