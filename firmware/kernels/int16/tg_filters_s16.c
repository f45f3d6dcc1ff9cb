#include "../tg_dsp.h"
#include "tg_layers_s16.h"

/* Filters that share the loads of the window. */
#define BLOCK 4

/* So many products can't overflow 32 bits: 2^8 * 2^7 * 2^15 = 2^30. */
#define PIECE 256

#if TG_DSP
/* Adds four products; even: the first and the third value, odd: the second and the fourth. */
static inline int32_t add_four(const int8_t *weights, uint32_t even, uint32_t odd, int32_t sum) {
    const uint32_t four = tg_load4(weights);
    return tg_smlad(tg_sxtb16_odd(four), odd, tg_smlad(tg_sxtb16(four), even, sum));
}
#endif

static void sum_block(const int8_t *weights, int32_t depth, const int16_t *window, int64_t *sums) {
    for (int32_t begin = 0; begin < depth; begin += PIECE) {
        const int8_t *w0 = weights + begin;
        const int8_t *w1 = w0 + depth;
        const int8_t *w2 = w1 + depth;
        const int8_t *w3 = w2 + depth;
        const int16_t *x = window + begin;
        const int32_t count = tg_min(depth - begin, PIECE);
        int32_t s0 = 0;
        int32_t s1 = 0;
        int32_t s2 = 0;
        int32_t s3 = 0;
        int32_t d = 0;
#if TG_DSP
        for (; d <= count - 4; d += 4) {
            const uint32_t low = tg_load4((const int8_t *)(x + d));
            const uint32_t high = tg_load4((const int8_t *)(x + d + 2));
            const uint32_t even = (low & 0xFFFFU) | (high << 16);
            const uint32_t odd = (low >> 16) | (high & 0xFFFF0000U);
            s0 = add_four(w0 + d, even, odd, s0);
            s1 = add_four(w1 + d, even, odd, s1);
            s2 = add_four(w2 + d, even, odd, s2);
            s3 = add_four(w3 + d, even, odd, s3);
        }
#endif
        for (; d < count; d++) {
            const int32_t value = x[d];
            s0 += w0[d] * value;
            s1 += w1[d] * value;
            s2 += w2[d] * value;
            s3 += w3[d] * value;
        }
        sums[0] += s0;
        sums[1] += s1;
        sums[2] += s2;
        sums[3] += s3;
    }
}

static void sum_one(const int8_t *weights, int32_t depth, const int16_t *window, int64_t *sum) {
    for (int32_t begin = 0; begin < depth; begin += PIECE) {
        const int32_t end = tg_min(depth, begin + PIECE);
        int32_t piece = 0;
        for (int32_t d = begin; d < end; d++) {
            piece += weights[d] * window[d];
        }
        *sum += piece;
    }
}

void tg_filters_s16(const tg_filters_s16_t *op, int32_t first, int32_t count, const int16_t *window,
                    int16_t *output) {
    const int8_t *weights = op->weights + first * op->depth;
    const int32_t end = first + count;
    int32_t f = first;
    while (f < end) {
        int64_t sums[BLOCK] = {0};
        int32_t made = 1;
        if (end - f >= BLOCK) {
            made = BLOCK;
            sum_block(weights, op->depth, window, sums);
        } else {
            sum_one(weights, op->depth, window, sums);
        }
        weights += made * op->depth;
        for (int32_t i = 0; i < made; i++, f++) {
            *output++ = tg_channel_output_s16(&op->channels, f, sums[i]);
        }
    }
}
