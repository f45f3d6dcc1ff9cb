#include "tg_mve_dense.h"

#if TG_MVE

/* Sums of up to four rows with one input; where there are fewer, the last one is read again. */
static int32x4_t dot_products(const int8_t *weights, int32_t inputs, int32_t rows,
                              const int8_t *input) {
    const int8_t *w0 = weights;
    const int8_t *w1 = rows > 1 ? w0 + inputs : w0;
    const int8_t *w2 = rows > 2 ? w1 + inputs : w1;
    const int8_t *w3 = rows > 3 ? w2 + inputs : w2;
    int32_t a = 0;
    int32_t b = 0;
    int32_t c = 0;
    int32_t d = 0;
    for (int32_t vectors = inputs / TG_MVE_BYTES; vectors > 0; vectors--) {
        const int8x16_t x = vldrbq_s8(input);
        a = vmladavaq_s8(a, x, vldrbq_s8(w0));
        b = vmladavaq_s8(b, x, vldrbq_s8(w1));
        c = vmladavaq_s8(c, x, vldrbq_s8(w2));
        d = vmladavaq_s8(d, x, vldrbq_s8(w3));
        input += TG_MVE_BYTES;
        w0 += TG_MVE_BYTES;
        w1 += TG_MVE_BYTES;
        w2 += TG_MVE_BYTES;
        w3 += TG_MVE_BYTES;
    }
    const int32_t left = inputs % TG_MVE_BYTES;
    if (left > 0) {
        const int8x16_t x = tg_mve_load(input, left);
        a = vmladavaq_s8(a, x, tg_mve_load(w0, left));
        b = vmladavaq_s8(b, x, tg_mve_load(w1, left));
        c = vmladavaq_s8(c, x, tg_mve_load(w2, left));
        d = vmladavaq_s8(d, x, tg_mve_load(w3, left));
    }
    return tg_mve_lanes(a, b, c, d);
}

/* Outputs o to o + 3 of their sums, as far as there are so many. */
static void put(const tg_fully_connected_mve_t *op, int32_t o, int32x4_t sums, int8_t *output) {
    const tg_channels_t *channels = &op->channels;
    const mve_pred16_t inside = vctp32q((uint32_t)(op->outputs - o));
    int32x4_t multiplier = vdupq_n_s32(channels->multiplier[0]);
    int32x4_t shift = vdupq_n_s32(channels->shift[0]);
    if (channels->step > 0) {
        multiplier = vldrwq_z_s32(channels->multiplier + o, inside);
        shift = vldrbq_z_s32(channels->shift + o, inside);
    }
    int32x4_t x = vaddq_s32(sums, vldrwq_z_s32(channels->bias + o, inside));
    x = vqrdmulhq_s32(x, multiplier);
    x = vaddq_s32(x, vshrq_n_s32(x, 31)); /* see tg_mve.h */
    x = vaddq_n_s32(vrshlq_s32(x, shift), op->output_zero_point);
    x = vmaxq_s32(x, vdupq_n_s32(op->output_min));
    x = vminq_s32(x, vdupq_n_s32(op->output_max));
    vstrbq_p_s32(output, x, inside);
}

void tg_fully_connected_mve(const tg_fully_connected_mve_t *op, const int8_t *input,
                            int8_t *output) {
    for (int32_t b = 0; b < op->batches; b++) {
        const int8_t *weights = op->weights;
        for (int32_t o = 0; o < op->outputs; o += 4) {
            put(op, o, dot_products(weights, op->inputs, op->outputs - o, input), output + o);
            weights += 4 * op->inputs;
        }
        input += op->inputs;
        output += op->outputs;
    }
}

#else

void tg_fully_connected_mve(const tg_fully_connected_mve_t *op, const int8_t *input,
                            int8_t *output) {
    for (int32_t b = 0; b < op->batches; b++) {
        const int8_t *weights = op->weights;
        for (int32_t o = 0; o < op->outputs; o++) {
            uint32_t sum = (uint32_t)op->channels.bias[o];
            for (int32_t i = 0; i < op->inputs; i++) {
                sum += (uint32_t)(*weights++ * input[i]);
            }
            *output++ = tg_channel_output(&op->channels, o, (int32_t)sum, op->output_zero_point,
                                          op->output_min, op->output_max);
        }
        input += op->inputs;
    }
}

#endif
