/* Element by element on int16: sums, products, extremes, and functions of one value.
 *
 * All zero points are 0. Order and overlap of the kernels of two operands are those of
 * elementwise/tg_elementwise.h; the others write in ascending order, in place or with an output
 * that starts before the input. */
#ifndef TG_ELEMENTWISE_S16_H
#define TG_ELEMENTWISE_S16_H

#include "../elementwise/tg_elementwise.h"

/* Where the two operands' current rows start, and how often each loop has turned. */
typedef struct {
    const int16_t *first;
    const int16_t *second;
    int32_t turn[TG_MAX_LOOPS];
} tg_rows_s16_t;

/* Moves on to the next row; false after the last. */
static inline bool tg_next_row_s16(const tg_broadcast_t *shape, tg_rows_s16_t *rows) {
    const int32_t level = tg_next(rows->turn, shape->loop, 3, 0, shape->loops);
    if (level == shape->loops) {
        return false;
    }
    rows->first += shape->loop[3 * level + 1];
    rows->second += shape->loop[3 * level + 2];
    return true;
}

typedef struct {
    tg_broadcast_t shape;
    int32_t second_sign; /* 1 adds, -1 subtracts */
    tg_rescale_t first;  /* of the three factors, no shift is positive */
    tg_rescale_t second;
    tg_rescale_t output;
    int32_t output_min;
    int32_t output_max;
} tg_add_s16_t;

/* output = clamp(output * (first * a * 2^15 + sign * second * b * 2^15)), where each product is a
 * requantization with two roundings. */
void tg_add_s16(const tg_add_s16_t *op, const int16_t *first, const int16_t *second,
                int16_t *output);

typedef struct {
    tg_broadcast_t shape;
    tg_rescale_t output;
    int32_t output_min;
    int32_t output_max;
} tg_mul_s16_t;

/* output = clamp(output * (a * b)). */
void tg_mul_s16(const tg_mul_s16_t *op, const int16_t *first, const int16_t *second,
                int16_t *output);

typedef tg_pick_t tg_pick_s16_t;

/* output = max(a, b) or min(a, b), of the stored values. */
void tg_pick_s16(const tg_pick_s16_t *op, const int16_t *first, const int16_t *second,
                 int16_t *output);

typedef struct {
    int32_t elements;
    tg_rescale_t positive;
    tg_rescale_t negative;
    int32_t min;
    int32_t max;
} tg_slopes_s16_t;

/* output[i] = clamp(x * positive) where x = input[i] >= 0, clamp(x * negative) elsewhere: RELU and
 * its like, and the step from one scale to another. */
void tg_slopes_s16(const tg_slopes_s16_t *op, const int16_t *input, int16_t *output);

typedef struct {
    int32_t elements;
    int32_t input_zero_point;
    tg_rescale_t rescale;
    int32_t output_zero_point;
} tg_requantize_t;

typedef tg_requantize_t tg_widen_s16_t;
typedef tg_requantize_t tg_narrow_s16_t;

/* output[i] = saturate(zero point + (input[i] - zero point) * rescale), from int8 to int16 ...
 * The output may overlap the input if it starts at least `elements` bytes before it. */
void tg_widen_s16(const tg_widen_s16_t *op, const int8_t *input, int16_t *output);

/* ... and from int16 to int8. */
void tg_narrow_s16(const tg_narrow_s16_t *op, const int16_t *input, int8_t *output);

typedef struct {
    int32_t elements;
    int32_t multiplier; /* multiplier / 2^right brings a stored value to units of 1 / (3 * 4096) */
    int32_t right;
    const uint16_t *table; /* [256]: 65536 / (1 + exp(-i / 24)) */
} tg_sigmoid_s16_t;

typedef tg_sigmoid_s16_t tg_logistic_s16_t;
typedef tg_sigmoid_s16_t tg_tanh_s16_t;

/* output[i] = 32768 / (1 + exp(-x)), interpolated in the table. */
void tg_logistic_s16(const tg_logistic_s16_t *op, const int16_t *input, int16_t *output);

/* output[i] = 32768 * tanh(x) = 65536 / (1 + exp(-2 x)) - 32768, in the same table. */
void tg_tanh_s16(const tg_tanh_s16_t *op, const int16_t *input, int16_t *output);

/* A stored value in the units of the table. */
static inline int32_t tg_sigmoid_argument(const tg_sigmoid_s16_t *op, int32_t stored) {
    const int32_t half = op->right > 0 ? INT32_C(1) << (op->right - 1) : 0;
    return (stored * op->multiplier + half) >> op->right;
}

#endif /* TG_ELEMENTWISE_S16_H */
