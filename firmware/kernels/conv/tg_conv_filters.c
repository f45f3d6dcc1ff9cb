#include "tg_conv.h"

/* Filters that share the loads of the window. Four sums and their pointers fill the registers of
 * a Cortex-M. */
#define BLOCK 4

static void sum_block(const int8_t *weights, int32_t depth, const int8_t *window, uint32_t *sums) {
    const int8_t *w0 = weights;
    const int8_t *w1 = w0 + depth;
    const int8_t *w2 = w1 + depth;
    const int8_t *w3 = w2 + depth;
    uint32_t s0 = 0;
    uint32_t s1 = 0;
    uint32_t s2 = 0;
    uint32_t s3 = 0;
    for (int32_t d = 0; d < depth; d++) {
        const int32_t x = window[d];
        s0 += (uint32_t)(w0[d] * x);
        s1 += (uint32_t)(w1[d] * x);
        s2 += (uint32_t)(w2[d] * x);
        s3 += (uint32_t)(w3[d] * x);
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

static uint32_t sum_one(const int8_t *weights, int32_t depth, const int8_t *window) {
    uint32_t sum = 0;
    for (int32_t d = 0; d < depth; d++) {
        sum += (uint32_t)(weights[d] * window[d]);
    }
    return sum;
}

void tg_conv_filters(const tg_filters_t *op, int32_t first, int32_t count, const int8_t *window,
                     int8_t *output) {
    const int8_t *weights = op->weights + first * op->depth;
    const int32_t end = first + count;
    int32_t f = first;
    while (f < end) {
        uint32_t sums[BLOCK];
        int32_t made = 1;
        if (end - f >= BLOCK) {
            made = BLOCK;
            sum_block(weights, op->depth, window, sums);
        } else {
            sums[0] = sum_one(weights, op->depth, window);
        }
        weights += made * op->depth;
        for (int32_t i = 0; i < made; i++, f++) {
            const uint32_t sum = sums[i] + (uint32_t)op->channels.bias[f];
            *output++ = tg_channel_output(&op->channels, f, (int32_t)sum, op->output_zero_point,
                                          op->output_min, op->output_max);
        }
    }
}
