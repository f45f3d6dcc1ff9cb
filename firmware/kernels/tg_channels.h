/* The constants by which an accumulator becomes an output, for each output channel. */
#ifndef TG_CHANNELS_H
#define TG_CHANNELS_H

#include "tg_runtime.h"

typedef struct {
    const int32_t *bias; /* [channels]; a layer may have folded its input's zero point into it */
    const int32_t *multiplier;
    const int8_t *shift;
    int32_t step; /* 1: a factor for each channel; 0: multiplier[0] and shift[0] serve all */
} tg_channels_t;

/* The stored output of an accumulator that already contains the bias. */
static inline int8_t tg_channel_output(const tg_channels_t *channels, int32_t channel,
                                       int32_t accumulator, int32_t zero_point, int32_t low,
                                       int32_t high) {
    const int32_t i = channel * channels->step;
    const int32_t scaled =
        tg_requantize(accumulator, channels->multiplier[i], channels->shift[i]) + zero_point;
    return (int8_t)tg_clamp(scaled, low, high);
}

#endif /* TG_CHANNELS_H */
