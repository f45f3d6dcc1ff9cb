#include "tg_weights.h"

const uint8_t *tg_weights_codes(const tg_weights_t *op, const uint8_t *codes, const int8_t *first,
                                const int8_t *second, int8_t *target) {
    const int32_t bits = op->bits;
    const uint32_t mask = (1U << bits) - 1U;
    const int32_t low =
        op->paired ? -1 : 0xFF; /* two bytes, or a sum of which the first has a sign */
    const uint8_t *next = codes;
    for (const int8_t *end = target + 8 * op->groups; target < end; next += bits) {
        uint32_t word = tg_load4((const int8_t *)next);
        for (int32_t i = 0; i < 4; i++, target += 2) {
            const int32_t a = first[word & mask] & low;
            word >>= bits;
            const uint16_t both = (uint16_t)(a + 256 * second[word & mask]);
            word >>= bits;
            tg_copy(target, &both, 2);
        }
    }
    return codes + (op->row_bytes * bits + 7) / 8;
}

void tg_weights_lut(tg_weights_reader_t *reader, int8_t *target) {
    const tg_weights_t *op = reader->op;
    reader->codes = tg_weights_codes(op, reader->codes, op->values, op->values, target);
}
