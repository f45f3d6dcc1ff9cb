/* The integer instructions of Armv8.1-M's vector extension (MVE, "Helium"; Cortex-M55, M85).
 *
 * TG_MVE is 1 where the compiler may use them; elsewhere each kernel has a portable twin that reads
 * the same layout, so that it runs, and can be tested, everywhere. */
#ifndef TG_MVE_H
#define TG_MVE_H

#include "../tg_dsp.h"

#if defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 1)
#define TG_MVE 1
#include <arm_mve.h>
#else
#define TG_MVE 0
#endif

/* Bytes of a vector. */
#define TG_MVE_BYTES 16

/* How factors with 1 <= exponent <= 31 are applied: VQRDMULH is tg_high_mul. VRSHL rounds ties up;
 * subtracting 1 from what is negative makes it ties away from zero, which is tg_divide_by_pot.
 * Where what is negative is clamped away, ties up serve as well: those kernels are called "relu".
 */

#if TG_MVE

/* The next 16 bytes, of which `left` may be read; the others are 0. */
static inline int8x16_t tg_mve_load(const int8_t *bytes, int32_t left) {
    return vldrbq_z_s8(bytes, vctp8q((uint32_t)left));
}

/* Four sums as a vector. In assembly because GCC goes through memory. */
static inline int32x4_t tg_mve_lanes(int32_t a, int32_t b, int32_t c, int32_t d) {
    int32x4_t lanes;
    __asm__("vmov %q0[2], %q0[0], %1, %3\n\tvmov %q0[3], %q0[1], %2, %4"
            : "=&w"(lanes)
            : "r"(a), "r"(b), "r"(c), "r"(d));
    return lanes;
}

#endif

/* Clamps bytes in place; for outputs whose limits are tighter than int8's. */
static inline void tg_mve_clamp(int8_t *bytes, int32_t count, int32_t low, int32_t high) {
#if TG_MVE
    const int8x16_t lows = vdupq_n_s8((int8_t)low);
    const int8x16_t highs = vdupq_n_s8((int8_t)high);
    for (; count > 0; count -= TG_MVE_BYTES, bytes += TG_MVE_BYTES) {
        const mve_pred16_t inside = vctp8q((uint32_t)count);
        const int8x16_t x = vldrbq_z_s8(bytes, inside);
        vstrbq_p_s8(bytes, vminq_s8(vmaxq_s8(x, lows), highs), inside);
    }
#else
    tg_clamp_bytes(bytes, count, low, high);
#endif
}

#endif /* TG_MVE_H */
