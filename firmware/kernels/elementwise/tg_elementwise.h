/* Element by element: sums, products, extremes and functions of one value.
 *
 * Kernels of two operands walk the output once, in ascending order. An operand that is as large as
 * the output is read element by element just before the output's element is written: the output
 * may start at that operand's start or before it. It must not overlap a smaller operand, which is
 * read again and again. */
#ifndef TG_ELEMENTWISE_H
#define TG_ELEMENTWISE_H

#include "../tg_loops.h"
#include "../tg_runtime.h"

/* How the two operands repeat over the output (NumPy's broadcasting): rows within loops. */
typedef struct {
    int32_t row;         /* elements of an output row */
    int32_t first_step;  /* 1, or 0 if one element of the first operand serves a whole row */
    int32_t second_step; /* the same for the second operand */
    int32_t loops;       /* loops around the rows; at most TG_MAX_LOOPS */
    /* [loops][3], the fastest first: its repetitions, and how far the start of the row moves in
     * each operand when this loop moves on (the return of all faster loops included) */
    const int32_t *loop;
} tg_broadcast_t;

/* Where the two operands' current rows start, and how often each loop has turned. */
typedef struct {
    const int8_t *first;
    const int8_t *second;
    int32_t turn[TG_MAX_LOOPS];
} tg_rows_t;

/* Moves on to the next row; false after the last. */
static inline bool tg_next_row(const tg_broadcast_t *shape, tg_rows_t *rows) {
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
    int32_t first_zero_point;
    int32_t second_zero_point;
    int32_t second_sign; /* 1 adds, -1 subtracts */
    tg_rescale_t first;  /* of the three factors, no shift is positive */
    tg_rescale_t second;
    tg_rescale_t output;
    int32_t output_zero_point;
    int32_t output_min;
    int32_t output_max;
} tg_add_t;

/* output = clamp(zero point + output * (first * (a - z) * 2^20 + sign * second * (b - z) * 2^20)),
 * where each product is a requantization with two roundings. */
void tg_add(const tg_add_t *op, const int8_t *first, const int8_t *second, int8_t *output);

typedef struct {
    tg_broadcast_t shape;
    int32_t first_zero_point;
    int32_t second_zero_point;
    tg_rescale_t output;
    int32_t output_zero_point;
    int32_t output_min;
    int32_t output_max;
} tg_mul_t;

/* output = clamp(zero point + output * ((a - z) * (b - z))). */
void tg_mul(const tg_mul_t *op, const int8_t *first, const int8_t *second, int8_t *output);

typedef struct {
    tg_broadcast_t shape;
    int32_t larger; /* 1: the larger of the two; 0: the smaller */
} tg_pick_t;

/* output = max(a, b) or min(a, b), of the stored values. */
void tg_pick(const tg_pick_t *op, const int8_t *first, const int8_t *second, int8_t *output);

typedef struct {
    tg_broadcast_t shape;
    int32_t input_zero_point;
    int32_t alpha_zero_point;
    tg_rescale_t positive;
    tg_rescale_t negative;
    int32_t output_zero_point;
} tg_prelu_t;

/* output = saturate(zero point + positive * x)             where x = input - zero point >= 0,
 * output = saturate(zero point + negative * (x * slope))   with slope = alpha - zero point. */
void tg_prelu(const tg_prelu_t *op, const int8_t *input, const int8_t *alpha, int8_t *output);

typedef struct {
    int32_t elements;
    const uint8_t *table; /* [256] */
} tg_lookup_t;

/* output[i] = table[input[i]] on bytes as they are stored, in ascending order; in place, or with an
 * output that starts before the input. */
void tg_lookup(const tg_lookup_t *op, const void *input, void *output);

typedef struct {
    int32_t elements;
    int32_t min;
    int32_t max;
} tg_clip_t;

/* output[i] = clamp(input[i], min, max), in ascending order; in place, or with an output that
 * starts before the input. */
void tg_clip(const tg_clip_t *op, const int8_t *input, int8_t *output);

#endif /* TG_ELEMENTWISE_H */
