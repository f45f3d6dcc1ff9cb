#include "../tg_dsp.h"
#include "tg_depthwise_taps.h"

/* What a channel's weights and bias are multiplied by. */
static int32_t scale_of(const tg_depthwise_taps_int8_t *op, int32_t channel) {
    const int32_t shift = op->channels.shift[channel * op->channels.step];
    return op->geometry.general ? 2 : 2 << (TG_DEPTHWISE_SHIFT + shift);
}

/* Multiplier, rounding and, for the general requantization, exponent. */
static int32_t *make_factor(const tg_depthwise_taps_int8_t *op, int32_t channel, int32_t *stream) {
    const int32_t shared = channel * op->channels.step;
    const int32_t exponent = -op->channels.shift[shared];
    const int32_t shift = op->geometry.general ? exponent : TG_DEPTHWISE_SHIFT;
    const int32_t half = 1 << (shift - 1);
    *stream++ = op->channels.multiplier[shared];
    *stream = half + 2 * half * op->output_zero_point;
    if (op->geometry.general) {
        *++stream = exponent;
    } else {
        *stream += half >> exponent;
    }
    return stream + 1;
}

/* The stream of the four channels from `channel` on; taps beyond the window's are 0. Returns its
 * end. */
static int32_t *make_group(const tg_depthwise_taps_int8_t *op, int32_t channel, int32_t *stream) {
    const int32_t taps = op->geometry.kernel_height * op->geometry.kernel_width;
    const int32_t by_eight = tg_max((taps + 6) / 8 * 8, 8);
    uint32_t last[4];
    for (int32_t c = 0; c < 4; c++) {
        const int8_t *w = op->weights + (channel + c) * taps;
        const int32_t scale = scale_of(op, channel + c);
        int32_t *words = stream + c;
        *words = op->channels.bias[channel + c] * scale;
        for (int32_t t = 0; t < by_eight; t += 2) {
            const int32_t first = t < taps ? w[t] * scale : 0;
            const int32_t second = t + 1 < taps ? w[t + 1] * scale : 0;
            words += 4;
            *words = (int32_t)tg_halves(first, second);
        }
        last[c] = by_eight < taps ? (uint32_t)(w[by_eight] * scale) : 0;
    }
    stream += 4 + 2 * by_eight;
    *stream++ = (int32_t)tg_halves((int32_t)last[0], (int32_t)last[2]);
    *stream++ = (int32_t)tg_halves((int32_t)last[1], (int32_t)last[3]);
    for (int32_t c = 0; c < 4; c++) {
        stream = make_factor(op, channel + c, stream);
    }
    return stream;
}

void tg_depthwise_taps_int8(const tg_depthwise_taps_int8_t *op, const int8_t *input, int8_t *output,
                            int8_t *scratch) {
    const int32_t channels = op->geometry.channels;
    int32_t *stream = (int32_t *)(void *)scratch;
    int32_t *end = stream;
    for (int32_t c = 0; c < channels; c += 4) {
        end = make_group(op, tg_min(c, channels - 4), end);
    }
    tg_depthwise_windows_of(&op->geometry, stream, input, output, (int8_t *)end);
}
