/* Fully connected layers. */
#ifndef TG_DENSE_H
#define TG_DENSE_H

#include "../tg_channels.h"
#include "../tg_runtime.h"

typedef struct {
    int32_t batches;
    int32_t inputs;  /* elements of an input row */
    int32_t outputs; /* elements of an output row */
    int32_t output_zero_point;
    int32_t output_min;
    int32_t output_max;
    const int8_t *weights; /* [outputs][inputs] */
    tg_channels_t channels;
} tg_fully_connected_t;

/* output[b][o] = requantize(bias[o] + sum over i of weights[o][i] * input[b][i]).
 * Reads a whole input row before the next batch; the output must not overlap the input. */
void tg_fully_connected(const tg_fully_connected_t *op, const int8_t *input, int8_t *output);

#endif /* TG_DENSE_H */
