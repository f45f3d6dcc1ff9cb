/* Weights in few bits: what a layer's int8 weights are encoded as in flash, and decoded from into
 * scratch memory before an existing kernel reads them.
 *
 * Weights are decoded row by row, eight values at a time. Rows are what the kernel wants that reads
 * them: all weights of a layer one after the other, a filter, or two filters interleaved. In the
 * last case two values a, b make the halfword a + 256 * b, which differs from the two bytes a and b
 * where a is negative. */
#ifndef TG_WEIGHTS_H
#define TG_WEIGHTS_H

#include "../tg_dsp.h"

typedef struct tg_weights_reader tg_weights_reader_t;

/* Decodes the next row. Writes 8 * groups bytes, aligned to 4 where values are
 * paired. */
typedef void tg_weights_decoder_t(tg_weights_reader_t *reader, int8_t *target);

typedef struct {
    tg_weights_decoder_t *decode;
    const uint8_t *codes;
    const int8_t *values;
    int32_t bits;   /* of a code */
    int32_t paired; /* 1: values make halfwords of two filters */
    int32_t rows;
    int32_t groups;    /* of eight values in a row */
    int32_t row_bytes; /* from one decoded row to the next; the surplus of the last group, less than
                        * eight bytes, is overwritten by the next row */
} tg_weights_t;

/* Where the next row comes from. */
struct tg_weights_reader {
    const tg_weights_t *op;
    const uint8_t *codes;
    const int8_t *values;
    const uint8_t *masks;
    uint32_t buffer; /* codes that have been loaded */
    int32_t left;    /* bits of them, less than eight */
};

/* Each value is one of up to 16: a code of 1 to 4 bits stands for its place in a table. The codes
 * of a row go from the lowest bit of a byte on, as many as the row has values without a surplus; up
 * to 7 * bits bits of the next row and three bytes more are read with them. */
tg_weights_decoder_t tg_weights_lut; /* one table of 2^bits values */

tg_weights_decoder_t tg_weights_lut_filters; /* a table for each filter */

/* A factor for each filter, and codes c for (c - 2^(bits - 1)) * factor. */
tg_weights_decoder_t tg_weights_int_filters;

/* Zeros have no codes: [rows][groups] bytes say by bit i whether value i of a group is not zero,
 * and are followed by codes for those alone. Codes of up to 7 bits stand for places in a table,
 * codes of 8 bits are the values. */
tg_weights_decoder_t tg_weights_sparse;

/* Codes of a row with tables for its first value of each two and for its second; returns what
 * follows them. */
const uint8_t *tg_weights_codes(const tg_weights_t *op, const uint8_t *codes, const int8_t *first,
                                const int8_t *second, int8_t *target);

static inline void tg_weights_start(const tg_weights_t *op, tg_weights_reader_t *reader) {
    reader->op = op;
    reader->codes = op->codes;
    reader->values = op->values;
    reader->masks = NULL;
}

typedef tg_weights_t tg_weights_all_t;

/* Decodes all rows: what is called before a kernel whose weights pointer leads to the target. */
void tg_weights_all(const tg_weights_all_t *op, int8_t *target);

/* A kernel that decodes the weights of another one as it goes. What it needs of `layer` is as
 * without codes, except that the pointer to the weights is set to the decoded ones. */
#define TG_CODED_LAYER(kernel)                                                                     \
    typedef struct {                                                                               \
        tg_weights_t weights;                                                                      \
        tg_##kernel##_t layer;                                                                     \
    } tg_coded_##kernel##_t;                                                                       \
    void tg_coded_##kernel(const tg_coded_##kernel##_t *op, const int8_t *input, int8_t *output,   \
                           int8_t *scratch)

#endif /* TG_WEIGHTS_H */
