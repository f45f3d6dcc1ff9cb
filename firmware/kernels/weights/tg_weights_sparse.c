#include "tg_weights.h"

/* A group that makes halfwords of two filters starts as eight bytes of which the even ones belong
 * to one filter, the odd ones to the other; a + 256 * b is 256 less than the bytes say where a is
 * negative. */
static void pair(int8_t *bytes) {
    for (int32_t i = 0; i < 8; i += 4) {
        const uint32_t word = tg_load4(bytes + i);
        tg_store4(bytes + i, tg_ssub16(word, (word & 0x00800080U) << 1));
    }
}

void tg_weights_sparse(tg_weights_reader_t *reader, int8_t *target) {
    const tg_weights_t *op = reader->op;
    const int8_t *const values = op->values;
    const int32_t bits = op->bits;
    if (!reader->masks) {
        reader->masks = op->codes;
        reader->codes += op->rows * op->groups;
        reader->buffer = 0;
        reader->left = 0;
    }
    const uint8_t *codes = reader->codes;
    uint32_t buffer = reader->buffer;
    int32_t left = reader->left;
    for (int32_t g = 0; g < op->groups; g++) {
        uint32_t present = *reader->masks++;
        for (const int8_t *end = target + 8; target < end; target++, present >>= 1) {
            int8_t value = 0;
            if (present & 1U) {
                left -= bits;
                if (left < 0) {
                    buffer |= (uint32_t)*codes++ << (left + bits);
                    left += 8;
                }
                const uint32_t code = buffer & ((1U << bits) - 1U);
                value = bits < 8 ? values[code] : (int8_t)(uint8_t)code;
                buffer >>= bits;
            }
            *target = value;
        }
        if (op->paired) {
            pair(target - 8);
        }
    }
    reader->codes = codes;
    reader->buffer = buffer;
    reader->left = left;
}
