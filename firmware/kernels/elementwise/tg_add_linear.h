/* Sums of two int8 tensors in one multiplication each. */
#ifndef TG_ADD_LINEAR_H
#define TG_ADD_LINEAR_H

#include "../tg_runtime.h"

/* Fraction bits of the coefficients. */
#define TG_ADD_LINEAR_SHIFT 21

typedef struct {
    int32_t elements;
    int32_t first;  /* coefficient of the first operand: its scale / the output's */
    int32_t second; /* ... of the second operand; negative to subtract */
    int32_t offset; /* zero points and rounding */
    int32_t output_min;
    int32_t output_max;
} tg_add_linear_t;

/* output[i] = clamp((first * a[i] + second * b[i] + offset) >> TG_ADD_LINEAR_SHIFT).
 * TFLM rounds five times on the way to a sum (see tg_add); for given scales there is nearly always
 * a linear function that agrees with it on all 65,536 pairs of operands, and the compiler uses this
 * kernel only after it has compared them all. No sum leaves 32 bits.
 * Ascending; an operand's element is read just before the output's is written: the output may start
 * at the operand's start or before it. */
void tg_add_linear(const tg_add_linear_t *op, const int8_t *first, const int8_t *second,
                   int8_t *output);

#endif /* TG_ADD_LINEAR_H */
