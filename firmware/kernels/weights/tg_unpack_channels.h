/* Channel constants in few bits, unpacked into scratch memory before a kernel reads them.
 *
 * A factor is the scale of a channel's weights, which is a float32, times one that the whole layer
 * shares. So the 23 bits of the float's fraction make all 31 of the factor's multiplier. */
#ifndef TG_UNPACK_CHANNELS_H
#define TG_UNPACK_CHANNELS_H

#include "../tg_runtime.h"

typedef struct {
    /* Of each channel, from the lowest bit of a word on: fraction, shift above the smallest, bias +
     * 2^(bias_bits - 1). A word follows that where the last bias begins. */
    const uint32_t *codes;
    uint32_t scale_fraction;
    uint8_t scale; /* and scale_fraction / 2^32, times fraction + 2^fraction_bits: less than 2^32 */
    uint8_t fraction_bits; /* up to 30, as shift_bits and bias_bits */
    uint8_t shift_bits;
    uint8_t bias_bits;
    int8_t shift;   /* of a product of 2^31 or more, whose half is the multiplier; else one less */
    uint8_t paired; /* 1: what tg_gemm_pair8 reads instead of the arrays of tg_channels_t */
    uint16_t count; /* channels */
} tg_unpack_channels_t;

/* Writes int32_t bias[count], int32_t multiplier[count], int8_t shift[count]; or, paired, for each
 * channel its multiplier and bias * 256 - shift - 1. */
void tg_unpack_channels(const tg_unpack_channels_t *op, int8_t *target);

#endif /* TG_UNPACK_CHANNELS_H */
