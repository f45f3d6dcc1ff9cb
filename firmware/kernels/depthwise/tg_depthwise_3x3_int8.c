#include "../tg_dsp.h"
#include "tg_depthwise.h"

/* The words of one channel, see TG_DEPTHWISE_CHANNEL_WORDS. */
static inline void make_channel(const tg_depthwise_3x3_int8_t *op, int32_t channel,
                                int32_t *restrict stream) {
    const int8_t *w = op->weights + 9 * channel;
    const int32_t shared = channel * op->channels.step;
    const int32_t left = TG_DEPTHWISE_SHIFT + 1 + op->channels.shift[shared];
    const int32_t half = 1 << (TG_DEPTHWISE_SHIFT - 1);
    for (int32_t k = 0; k < 3; k++, w++) {
        const int32_t middle = tg_shift_left(w[3], left);
        stream[2 * k] = (int32_t)tg_halves(tg_shift_left(w[0], left), middle);
        stream[2 * k + 1] = (int32_t)tg_halves(middle, tg_shift_left(w[6], left));
    }
    stream[6] = op->channels.multiplier[shared];
    stream[7] = half + 2 * half * op->output_zero_point + (1 << (left - 2));
    stream[8] = tg_shift_left(op->channels.bias[channel], left);
}

static void make_stream(const void *layer, int32_t channel, int32_t count, int32_t *stream) {
    for (int32_t c = 0; c < count; c++) {
        make_channel(layer, channel + c, stream + TG_DEPTHWISE_CHANNEL_WORDS * c);
    }
}

void tg_depthwise_3x3_int8(const tg_depthwise_3x3_int8_t *op, const int8_t *input, int8_t *output,
                           int8_t *scratch) {
    int32_t *stream = (int32_t *)(void *)scratch;
    int8_t *rest = (int8_t *)(stream + op->at_once * TG_DEPTHWISE_CHANNEL_WORDS);
    const tg_depthwise_maker_t maker = {op, make_stream, stream};
    const bool all = op->at_once == op->strip.channels;
    if (all) {
        make_stream(op, 0, op->at_once, stream);
    }
    tg_depthwise_strip(&op->strip, stream, all ? NULL : &maker, input, output, rest);
}
