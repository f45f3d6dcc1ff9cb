/* The integer instructions of Armv8.1-M's vector extension (MVE, "Helium"; Cortex-M55, M85).
 *
 * TG_MVE is 1 where the compiler may use them; elsewhere each kernel has a portable twin that reads
 * the same layout, so that it runs, and can be tested, everywhere. */
#ifndef TG_MVE_H
#define TG_MVE_H

#include "tg_dsp.h"

#if defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 1)
#define TG_MVE 1
#include <arm_mve.h>
#else
#define TG_MVE 0
#endif

/* Bytes of a vector. */
#define TG_MVE_BYTES 16

/* A sum with its bias as a stored output, for shifts that are all to the right: -31 <= shift <= -1.
 * VQRDMULH is tg_high_mul. VRSHL rounds ties up; subtracting 1 from what is negative makes it ties
 * away from zero, which is tg_divide_by_pot. */
static inline int8_t tg_mve_output(int32_t sum, int32_t multiplier, int32_t shift,
                                   int32_t zero_point, int32_t low, int32_t high) {
    return (int8_t)tg_clamp(tg_requantize(sum, multiplier, shift) + zero_point, low, high);
}

#if TG_MVE

/* The next 16 bytes, of which `left` may be read; the others are 0. */
static inline int8x16_t tg_mve_load(const int8_t *bytes, int32_t left) {
    return vldrbq_z_s8(bytes, vctp8q((uint32_t)left));
}

#endif

#endif /* TG_MVE_H */
