/* Pointwise convolutions and fully connected layers of which most weights are zero: these are
 * neither stored nor multiplied. The others have at most 15 values. */
#ifndef TG_SPARSE_STEPS_H
#define TG_SPARSE_STEPS_H

#include "../tg_channels.h"

typedef struct {
    int32_t pixels;       /* windows, each contiguous in the input */
    int32_t width;        /* windows in a row */
    int32_t stride_bytes; /* from one window to the next in a row */
    int32_t row_bytes;    /* from one row of windows to the next */
    int32_t depth;        /* bytes of a window */
    int32_t filters;
    int32_t output_zero_point;
    int32_t output_min;
    int32_t output_max;
    /* A byte for each weight that is not zero, filter by filter: how many values of the window are
     * passed over in its upper four bits, the place of the weight in the table in its lower ones. A
     * filter ends with its last weight, and gaps of more than 15 zeros have a step on their way, so
     * some steps are to a zero. */
    const uint8_t *steps;
    const int8_t *values; /* [16], the first is 0 */
    tg_channels_t channels;
} tg_sparse_steps_t;

/* Four windows at a time, then one at a time. Windows are read until the last output of the last of
 * them is written. */
void tg_sparse_steps(const tg_sparse_steps_t *op, const int8_t *input, int8_t *output);

#endif /* TG_SPARSE_STEPS_H */
