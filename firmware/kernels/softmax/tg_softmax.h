/* Softmax over the last axis, in integers only. */
#ifndef TG_SOFTMAX_H
#define TG_SOFTMAX_H

#include "../tg_runtime.h"

typedef struct {
    int32_t rows;
    int32_t depth; /* elements of a row; at most 4095, or the sum of a row could overflow */
    int32_t steps; /* entries of the table */
    /* [steps]: table[d] = exp(-d * beta * input scale) with 31 fraction bits. Elements that lie
     * `steps` or more below their row's largest contribute nothing that could be seen. */
    const int32_t *table;
} tg_softmax_t;

typedef tg_softmax_t tg_softmax_int16_t;

/* What the elements of a row have in common. */
typedef struct {
    int32_t largest;    /* stored value of the row's largest element */
    int32_t reciprocal; /* 1 / sum of the row's exponentials = reciprocal / 2^(31 + octaves) */
    int32_t octaves;
} tg_softmax_row_t;

/* The facts of a row of op->depth elements. */
tg_softmax_row_t tg_softmax_row(const tg_softmax_t *op, const int8_t *row);

/* output = 256 * exp(x) / sum of the row's exp(x) - 128, saturated: scale 1/256, zero point -128.
 * Row by row; an element is written after it has been read for the last time: the output may start
 * at the input's start or before it. */
void tg_softmax(const tg_softmax_t *op, const int8_t *input, int8_t *output);

/* output = 65536 * exp(x) / sum of the row's exp(x) - 32768, saturated: scale 1/65536, zero point
 * -32768. The output may overlap the input if it starts at least rows * depth bytes before it. */
void tg_softmax_int16(const tg_softmax_t *op, const int8_t *input, int16_t *output);

/* An element's share of its row with `bits` fraction bits. */
static inline int32_t tg_softmax_share(const tg_softmax_t *op, const tg_softmax_row_t *row,
                                       int32_t element, int32_t bits) {
    const int32_t step = row->largest - element;
    if (step >= op->steps) {
        return 0;
    }
    /* More than 31 octaves need rows that TFLM refuses at run time; here they stay defined. */
    const int32_t right = tg_min(row->octaves + 31 - bits, 31);
    return tg_divide_by_pot(tg_high_mul(row->reciprocal, op->table[step]), right);
}

#endif /* TG_SOFTMAX_H */
