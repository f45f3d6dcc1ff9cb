/* The DSP instructions of Armv7E-M and Armv8-M (Cortex-M4, M7, M33 ...), and what they compute.
 *
 * TG_DSP is 1 where the compiler may use them; elsewhere the same functions are plain C, so that a
 * kernel written with them runs, and can be tested, everywhere. A word holds two int16 or four int8
 * with the first in the lowest bits, as memory does on these little-endian cores. */
#ifndef TG_DSP_H
#define TG_DSP_H

#include "tg_runtime.h"

#if defined(__ARM_FEATURE_DSP) && defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'
#define TG_DSP 1
#include <arm_acle.h>
#else
#define TG_DSP 0
#endif

/* Assembly is written as text; this makes text of a number. */
#define TG_TEXT_(x) #x
#define TG_TEXT(x) TG_TEXT_(x)

/* A function whose body is assembly alone, whatever the optimization. Aligned for its use of ADR.
 */
#define TG_NAKED __attribute__((naked, noinline, aligned(4)))

/* Four bytes at any address: one unaligned LDR where the core has it. */
static inline uint32_t tg_load4(const int8_t *bytes) {
    uint32_t word;
    tg_copy(&word, bytes, 4);
    return word;
}

static inline void tg_store4(int8_t *bytes, uint32_t word) {
    tg_copy(bytes, &word, 4);
}

/* Four copies of a byte. */
static inline uint32_t tg_splat4(int32_t byte) {
    return (uint32_t)(uint8_t)byte * 0x01010101U;
}

static inline int32_t tg_low_half(uint32_t word) {
    return (int16_t)(uint16_t)word;
}

static inline int32_t tg_high_half(uint32_t word) {
    return (int16_t)(uint16_t)(word >> 16);
}

static inline uint32_t tg_halves(int32_t low, int32_t high) {
    return ((uint32_t)low & 0xFFFFU) | ((uint32_t)high << 16);
}

/* Bytes 0 and 2 as two int16. */
static inline uint32_t tg_sxtb16(uint32_t bytes) {
#if TG_DSP
    return (uint32_t)__sxtb16((int8x4_t)bytes);
#else
    return tg_halves((int8_t)(uint8_t)bytes, (int8_t)(uint8_t)(bytes >> 16));
#endif
}

/* Bytes 1 and 3 as two int16. In assembly because GCC keeps the rotation an instruction of its own.
 */
static inline uint32_t tg_sxtb16_odd(uint32_t bytes) {
#if TG_DSP
    uint32_t halves;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(halves) : "r"(bytes));
    return halves;
#else
    return tg_sxtb16(bytes >> 8);
#endif
}

static inline uint32_t tg_sadd16(uint32_t a, uint32_t b) {
#if TG_DSP
    return (uint32_t)__sadd16((int16x2_t)a, (int16x2_t)b);
#else
    return tg_halves(tg_low_half(a) + tg_low_half(b), tg_high_half(a) + tg_high_half(b));
#endif
}

static inline uint32_t tg_ssub16(uint32_t a, uint32_t b) {
#if TG_DSP
    return (uint32_t)__ssub16((int16x2_t)a, (int16x2_t)b);
#else
    return tg_halves(tg_low_half(a) - tg_low_half(b), tg_high_half(a) - tg_high_half(b));
#endif
}

/* Two int16 plus bytes 0 and 2. */
static inline uint32_t tg_sxtab16(uint32_t halves, uint32_t bytes) {
#if TG_DSP
    return (uint32_t)__sxtab16((int16x2_t)halves, (int8x4_t)bytes);
#else
    return tg_sadd16(halves, tg_sxtb16(bytes));
#endif
}

/* Two int16 plus bytes 1 and 3. */
static inline uint32_t tg_sxtab16_odd(uint32_t halves, uint32_t bytes) {
#if TG_DSP
    uint32_t sums;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(sums) : "r"(halves), "r"(bytes));
    return sums;
#else
    return tg_sadd16(halves, tg_sxtb16_odd(bytes));
#endif
}

/* The larger of each two int8. */
static inline uint32_t tg_max4(uint32_t a, uint32_t b) {
#if TG_DSP
    (void)__ssub8((int8x4_t)a, (int8x4_t)b); /* the flags of SSUB8 steer SEL */
    return (uint32_t)__sel((uint8x4_t)a, (uint8x4_t)b);
#else
    uint32_t larger = 0;
    for (int32_t shift = 0; shift < 32; shift += 8) {
        const int32_t x = (int8_t)(uint8_t)(a >> shift);
        const int32_t y = (int8_t)(uint8_t)(b >> shift);
        larger |= (uint32_t)(uint8_t)tg_max(x, y) << shift;
    }
    return larger;
#endif
}

/* sum + a.low * b.low + a.high * b.high, wrapping around. */
static inline int32_t tg_smlad(uint32_t a, uint32_t b, int32_t sum) {
#if TG_DSP
    return __smlad((int16x2_t)a, (int16x2_t)b, sum);
#else
    const uint32_t low = (uint32_t)(tg_low_half(a) * tg_low_half(b));
    const uint32_t high = (uint32_t)(tg_high_half(a) * tg_high_half(b));
    return (int32_t)((uint32_t)sum + low + high);
#endif
}

/* The high word of a * b + 2^32 * sum. Not in ACLE. */
static inline int32_t tg_smmla(int32_t a, int32_t b, int32_t sum) {
#if TG_DSP
    int32_t result;
    __asm__("smmla %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
#else
    return (int32_t)((uint32_t)sum + (uint32_t)(((int64_t)a * b) >> 32));
#endif
}

/* The same, rounded to nearest, ties up. tg_high_mul(a, b) is tg_smmlar(2 * a, b, 0) where 2 * a
 * doesn't overflow. */
static inline int32_t tg_smmlar(int32_t a, int32_t b, int32_t sum) {
#if TG_DSP
    int32_t result;
    __asm__("smmlar %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
#else
    const int64_t product = (int64_t)a * b + (INT64_C(1) << 31);
    return (int32_t)((uint32_t)sum + (uint32_t)(product >> 32));
#endif
}

static inline int32_t tg_ssat8(int32_t x) {
#if TG_DSP
    int32_t result;
    __asm__("ssat %0, #8, %1" : "=r"(result) : "r"(x)); /* GCC 12's __ssat trips -Wconversion */
    return result;
#else
    return tg_clamp(x, INT8_MIN, INT8_MAX);
#endif
}

/* Clamps bytes in place; for outputs whose limits are tighter than int8's. */
static inline void tg_clamp_bytes(int8_t *bytes, int32_t count, int32_t low, int32_t high) {
#if TG_DSP
    const uint32_t lows = tg_splat4(low);
    const uint32_t highs = tg_splat4(high);
    for (; count >= 4; count -= 4, bytes += 4) {
        uint32_t x = tg_load4(bytes);
        (void)__ssub8((int8x4_t)x, (int8x4_t)lows); /* the flags of SSUB8 steer SEL */
        x = (uint32_t)__sel((uint8x4_t)x, (uint8x4_t)lows);
        (void)__ssub8((int8x4_t)highs, (int8x4_t)x);
        x = (uint32_t)__sel((uint8x4_t)x, (uint8x4_t)highs);
        tg_store4(bytes, x);
    }
#endif
    for (; count > 0; count--, bytes++) {
        *bytes = (int8_t)tg_clamp(*bytes, low, high);
    }
}

#endif /* TG_DSP_H */
