#include "tg_mve_depthwise.h"

#if TG_MVE

static inline int8x16_t window(const int8_t *words, uint32x4_t columns) {
    return vreinterpretq_s8_s32(
        vldrwq_gather_offset_s32((const int32_t *)(const void *)words, columns));
}

/* The outputs of four sums, as described at TG_MVE_DEPTHWISE_WORDS. */
static inline int32x4_t outputs_of(int32x4_t sums, int32_t bias, int32_t multiplier,
                                   int32_t constant, int32_t shift) {
    int32x4_t x = vqrdmulhq_n_s32(vaddq_n_s32(sums, bias), multiplier);
    x = vaddq_n_s32(vaddq_s32(x, vshrq_n_s32(x, 31)), constant);
    return vshrq_n_s32(vqshlq_r_s32(x, shift), 24);
}

/* Four outputs of a channel at a time. */
static void channel_row(const tg_mve_depthwise_t *op, const int32_t *channel, const int8_t *words,
                        uint32x4_t columns, uint32x4_t places, int8_t *output) {
    const int32_t bias = channel[4];
    const int32_t multiplier = channel[5];
    const int32_t constant = channel[6];
    const int32_t shift = channel[7];
    const uint32_t next = 8 * (uint32_t)op->strip_channels;
    const uint32_t step = 4 * (uint32_t)op->channels;
    const int8x16_t w = vreinterpretq_s8_s32(vldrwq_z_s32(channel + 1, vctp32q(3)));
    for (int32_t left = op->output_width; left > 0; left -= 4, output += step) {
        const int32_t a = vmladavq_s8(window(words, columns), w);
        words += next;
        const int32_t b = vmladavq_s8(window(words, columns), w);
        words += next;
        const int32_t c = vmladavq_s8(window(words, columns), w);
        words += next;
        const int32_t d = vmladavq_s8(window(words, columns), w);
        words += next;
        const int32x4_t x = outputs_of(tg_mve_lanes(a, b, c, d), bias, multiplier, constant, shift);
        vstrbq_scatter_offset_p_s32(output, places, x, vctp32q((uint32_t)left));
    }
}

static void rows(const tg_mve_depthwise_t *op, const int8_t *strip, bool pair, int8_t *output) {
    (void)pair;
    const uint32x4_t index = vidupq_n_u32(0, 1);
    const uint32x4_t columns = vmulq_n_u32(index, 4 * (uint32_t)op->strip_channels);
    const uint32x4_t places = vmulq_n_u32(index, (uint32_t)op->channels);
    const int32_t *channel = op->stream;
    for (int32_t left = op->channels; left > 0; left--, strip += 4, output++) {
        channel_row(op, channel, strip, columns, places, output);
        channel += TG_MVE_DEPTHWISE_WORDS;
    }
}

#else

static void rows(const tg_mve_depthwise_t *op, const int8_t *strip, bool pair, int8_t *output) {
    (void)pair;
    const uint32_t column = 4 * (uint32_t)op->strip_channels;
    for (int32_t x = 0; x < op->output_width; x++, strip += 2 * column) {
        const int32_t *channel = op->stream;
        for (int32_t c = 0; c < op->channels; c++, channel += TG_MVE_DEPTHWISE_WORDS) {
            *output++ = tg_mve_depthwise_output(channel, strip + 4 * c, column);
        }
    }
}

#endif

void tg_depthwise_3x3_stride_2_mve(const tg_depthwise_3x3_stride_2_mve_t *op, const int8_t *input,
                                   int8_t *output, int8_t *scratch) {
    tg_mve_depthwise(op, input, output, scratch, 2, rows);
}
