#include "tg_unpack_channels.h"

typedef struct {
    const uint32_t *codes;
    uint32_t at; /* the next bit */
} reader_t;

static uint32_t take(reader_t *reader, uint32_t bits) {
    const uint32_t *word = reader->codes + reader->at / 32;
    const uint32_t passed = reader->at % 32;
    const uint32_t value = word[0] >> passed | word[1] << 1 << (31 - passed);
    reader->at += bits;
    return value & ((1U << bits) - 1U);
}

void tg_unpack_channels(const tg_unpack_channels_t *op, int8_t *target) {
    reader_t reader = {op->codes, 0};
    int32_t *words = (int32_t *)(void *)target;
    int8_t *shifts = (int8_t *)(words + 2 * op->count);
    for (int32_t c = 0; c < op->count; c++) {
        const uint32_t m = take(&reader, op->fraction_bits) + (1U << op->fraction_bits);
        uint64_t product = m * ((uint64_t)op->scale << 32 | op->scale_fraction);
        int32_t shift = op->shift + (int32_t)take(&reader, op->shift_bits);
        if (product >> 63 == 0) {
            product <<= 1;
            shift--;
        }
        const int32_t multiplier = (int32_t)(((uint32_t)(product >> 32) + 1) >> 1);
        const int32_t bias = (int32_t)take(&reader, op->bias_bits) - (1 << op->bias_bits >> 1);
        if (op->paired) {
            *words++ = multiplier;
            *words++ = bias * 256 - shift - 1;
        } else {
            words[0] = bias;
            words[op->count] = multiplier;
            words++;
            *shifts++ = (int8_t)shift;
        }
    }
}
