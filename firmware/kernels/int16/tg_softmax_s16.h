/* Softmax over the last axis of int16 tensors, in integers only. */
#ifndef TG_SOFTMAX_S16_H
#define TG_SOFTMAX_S16_H

#include "../tg_runtime.h"

typedef struct {
    int32_t rows;
    int32_t depth;        /* values of a row, at most 65535 */
    tg_rescale_t rescale; /* brings a difference of stored values to units of 10 / 65535 */
    /* [513] each, the values at both ends and between 512 equal steps, with 15 fraction bits: */
    const int16_t *exp;        /* exp(x) for x from -10 to 0 */
    const int16_t *reciprocal; /* 1 / (1 + x) for x from 0 to 1 */
} tg_softmax_s16_t;

/* output = 32768 * exp(x) / sum of the row's exp(x), saturated: scale 1/32768, zero point 0.
 * Row by row; a value is read for the last time before its place is written: the output may start
 * at the input's start or before it. */
void tg_softmax_s16(const tg_softmax_s16_t *op, const int16_t *input, int16_t *output);

#endif /* TG_SOFTMAX_S16_H */
