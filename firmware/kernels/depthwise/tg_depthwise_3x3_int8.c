#include "depthwise/tg_depthwise.h"
#include "tg_dsp.h"

/* The words of one channel, see TG_DEPTHWISE_CHANNEL_WORDS. */
static void make_channel(const tg_depthwise_3x3_int8_t *op, int32_t channel, int32_t *stream) {
    const int8_t *w = op->weights + 9 * channel;
    const int32_t shared = channel * op->channels.step;
    const int32_t d = TG_DEPTHWISE_SHIFT + op->channels.shift[shared];
    const int32_t scale = 2 << d;
    for (int32_t k = 0; k < 3; k++, w++) {
        const int32_t middle = w[3] * scale;
        *stream++ = (int32_t)tg_halves(w[0] * scale, middle);
        *stream++ = (int32_t)tg_halves(middle, w[6] * scale);
    }
    const int32_t half = 1 << (TG_DEPTHWISE_SHIFT - 1);
    *stream++ = op->channels.multiplier[shared];
    *stream++ = scale / 4 + half + 2 * half * op->output_zero_point;
    *stream = op->channels.bias[channel] * scale;
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
