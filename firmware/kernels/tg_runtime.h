/* tinygen's C runtime: the contract between generated code and kernels.
 *
 * Kernels are freestanding C11. A kernel takes, in this order: a pointer to its constant
 * parameters, its inputs, its outputs, and its scratch memory if it needs any. Tensors are NHWC,
 * row-major, without gaps. A tensor may be a view: a piece of another one. So int8 tensors lie at
 * any address, all others at multiples of their elements' size; a kernel that needs more says so,
 * and the compiler knows (Call.input_alignment). Scratch memory is aligned to TG_ALIGN bytes. */
#ifndef TG_RUNTIME_H
#define TG_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Raised whenever a parameter struct, a signature or a kernel's result changes. Generated code
 * checks it when it is compiled, and by the mark when it is linked. */
#define TG_RUNTIME_ABI 1
#define TG_JOIN(a, b) a##b
#define TG_NAME_WITH(name, number) TG_JOIN(name, number)
#define TG_ABI_MARK TG_NAME_WITH(tg_runtime_abi_, TG_RUNTIME_ABI)
extern const uint8_t TG_ABI_MARK;
extern const uint8_t tg_error_packages_are_of_different_tinygen_versions;

_Static_assert(sizeof(int) >= sizeof(int32_t), "cores of 8 and 16 bits are not supported");

/* Alignment in bytes of the arena, of the model's inputs and outputs, and of all tensors but views.
 */
#define TG_ALIGN 8

/* Freestanding C has no <string.h>, yet every compiler accepts these builtins, and expands them in
 * place or calls the C library's or the start-up code's. */
#define tg_copy(target, source, bytes) ((void)__builtin_memcpy((target), (source), (size_t)(bytes)))
#define tg_fill(target, value, bytes) ((void)__builtin_memset((target), (value), (size_t)(bytes)))

/* A real factor as multiplier * 2^(shift - 31); a positive shift is to the left. */
typedef struct {
    int32_t multiplier;
    int32_t shift;
} tg_rescale_t;

/* The high half of 2 * a * b, rounded to nearest, ties up. Not both may be INT32_MIN, and no
 * multiplier is. (gemmlowp: SaturatingRoundingDoublingHighMul; its nudge by the product's sign and
 * its truncating division come to this one shift.) */
static inline int32_t tg_high_mul(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b + (INT64_C(1) << 30)) >> 31);
}

/* x / 2^exponent, rounded to nearest, ties away from zero; 0 <= exponent <= 31.
 * (gemmlowp: RoundingDivideByPOT) */
static inline int32_t tg_divide_by_pot(int32_t x, int32_t exponent) {
    const int32_t mask = (int32_t)((UINT32_C(1) << exponent) - 1U);
    const int32_t remainder = x & mask;
    const int32_t threshold = (mask >> 1) + (x < 0 ? 1 : 0);
    return (x >> exponent) + (remainder > threshold ? 1 : 0);
}

/* x * 2^left with the wrap-around of two's complement instead of undefined behaviour. */
static inline int32_t tg_shift_left(int32_t x, int32_t left) {
    return (int32_t)((uint32_t)x << left);
}

/* x times a real factor, with TFLM's two roundings. (MultiplyByQuantizedMultiplier) */
static inline int32_t tg_requantize(int32_t x, int32_t multiplier, int32_t shift) {
    const int32_t left = shift > 0 ? shift : 0;
    const int32_t right = shift > 0 ? 0 : -shift;
    return tg_divide_by_pot(tg_high_mul(tg_shift_left(x, left), multiplier), right);
}

static inline int32_t tg_clamp(int32_t x, int32_t low, int32_t high) {
    return x < low ? low : (x > high ? high : x);
}

static inline int32_t tg_min(int32_t a, int32_t b) {
    return a < b ? a : b;
}

static inline int32_t tg_max(int32_t a, int32_t b) {
    return a > b ? a : b;
}

#endif /* TG_RUNTIME_H */
