#include "tg_add_linear.h"
#include "../tg_dsp.h"

static inline int8_t sum_of(const tg_add_linear_t *op, int32_t a, int32_t b) {
    const int32_t sum = op->first * a + op->offset + op->second * b;
#if TG_DSP
    int32_t output;
    __asm__("ssat %0, #8, %1, asr #" TG_TEXT(TG_ADD_LINEAR_SHIFT) : "=r"(output) : "r"(sum));
    return (int8_t)output;
#else
    return (int8_t)tg_clamp(sum >> TG_ADD_LINEAR_SHIFT, INT8_MIN, INT8_MAX);
#endif
}

void tg_add_linear(const tg_add_linear_t *op, const int8_t *first, const int8_t *second,
                   int8_t *output) {
    const tg_add_linear_t local = *op; /* in registers: bytes may be written anywhere */
    int8_t *out = output;
    int32_t left = local.elements;
    for (; left >= 4; left -= 4, first += 4, second += 4, out += 4) {
        out[0] = sum_of(&local, first[0], second[0]);
        out[1] = sum_of(&local, first[1], second[1]);
        out[2] = sum_of(&local, first[2], second[2]);
        out[3] = sum_of(&local, first[3], second[3]);
    }
    for (; left > 0; left--) {
        *out++ = sum_of(&local, *first++, *second++);
    }
    if (local.output_min > INT8_MIN || local.output_max < INT8_MAX) {
        tg_clamp_bytes(output, local.elements, local.output_min, local.output_max);
    }
}
