/* Between real numbers and stored ones, at the ends of a model.
 *
 * The arithmetic is IEEE single precision, one operation a statement and no product beside a sum:
 * hardware, soft-float libraries and fused multiply-add units all give the same bits. */
#ifndef TG_QUANTIZE_H
#define TG_QUANTIZE_H

#include "../tg_runtime.h"

typedef struct {
    int32_t elements;
    float scale;
    int32_t zero_point;
} tg_quantize_t;

typedef tg_quantize_t tg_quantize_int16_t;

/* output[i] = saturate(round(input[i] / scale) + zero point), halves away from zero. What is out of
 * range saturates, infinities too; no number at all becomes the zero point.
 * In ascending order; in place, or with an output that starts before the input. */
void tg_quantize(const tg_quantize_t *op, const float *input, int8_t *output);

/* The same to int16. */
void tg_quantize_int16(const tg_quantize_t *op, const float *input, int16_t *output);

typedef struct {
    int32_t elements;
    float scale;
    int32_t zero_point; /* of the stored value as int8 */
    uint32_t flip;      /* 0x80 makes stored uint8 values int8 ones, 128 less; else 0 */
} tg_dequantize_t;

/* output[i] = scale * (input[i] - zero point), rounded once.
 * The output may overlap the input if it starts at least 3 * elements bytes before it. */
void tg_dequantize(const tg_dequantize_t *op, const void *input, float *output);

typedef struct {
    int32_t elements;
    float scale;
    int32_t zero_point;
} tg_dequantize_int16_t;

/* The same from int16.
 * The output may overlap the input if it starts at least 2 * elements bytes before it. */
void tg_dequantize_int16(const tg_dequantize_int16_t *op, const int16_t *input, float *output);

/* x / scale, rounded to the nearest integer, halves away from zero, and saturated to 20 bits, which
 * is beyond the int16 range whatever zero point is added. */
static inline int32_t tg_round_quotient(float x, float scale) {
    const float limit = 1048576.0F;
    const float quotient = x / scale;
    if (!(quotient < limit)) {
        return quotient >= limit ? 1048576 : 0;
    }
    if (quotient < -limit) {
        return -1048576;
    }
    const int32_t whole = (int32_t)quotient; /* towards zero */
    const float rest = quotient - (float)whole;
    return whole + (rest >= 0.5F ? 1 : 0) - (rest <= -0.5F ? 1 : 0);
}

#endif /* TG_QUANTIZE_H */
