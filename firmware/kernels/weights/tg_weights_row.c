#include "weights/tg_weights.h"

void tg_weights_start(const tg_weights_t *op, tg_weights_reader_t *reader) {
    const int32_t masks = op->flags & TG_WEIGHTS_SPARSE ? op->rows * op->groups : 0;
    reader->op = op;
    reader->masks = op->codes;
    reader->codes = op->codes + masks;
    reader->values = op->values;
    reader->buffer = 0;
    reader->left = 0;
}

/* Eight bytes of which the even ones belong to one filter, the odd ones to another, as halfwords
 * a + 256 * b: the sum is 256 less than the bytes say where a is negative. */
static void pair(int8_t *bytes) {
    for (int32_t i = 0; i < 8; i += 4) {
        const uint32_t word = tg_load4(bytes + i);
        tg_store4(bytes + i, tg_ssub16(word, (word & 0x00800080U) << 1));
    }
}

void tg_weights_row(tg_weights_reader_t *reader, int8_t *target) {
    const tg_weights_t *op = reader->op;
    const int32_t bits = op->bits;
    const bool linear = (op->flags & TG_WEIGHTS_LINEAR) != 0;
    const int32_t half = 1 << (bits - 1);
    const uint8_t *codes = reader->codes;
    uint32_t buffer = reader->buffer;
    int32_t left = reader->left;
    const int8_t *values = reader->values;
    int32_t other = 0; /* from the table of the first value of each two to that of the second */
    if (op->flags & TG_WEIGHTS_OWN) {
        const int32_t count = linear ? 1 : 2 * half;
        other = op->flags & TG_WEIGHTS_PAIRED ? count : 0;
        reader->values += count + other;
    }
    for (int32_t g = 0; g < op->groups; g++, target += 8) {
        const uint32_t present = op->flags & TG_WEIGHTS_SPARSE ? *reader->masks++ : 0xFFU;
        for (int32_t i = 0; i < 8; i++) {
            int32_t value = 0;
            if ((present >> i) & 1U) {
                if (left < bits) {
                    buffer |= (uint32_t)*codes++ << left;
                    left += 8;
                }
                const int32_t code = (int32_t)(buffer & (2U * (uint32_t)half - 1U));
                const int8_t *table = i & 1 ? values + other : values;
                value = linear ? (code - half) * *table : table[code];
                buffer >>= bits;
                left -= bits;
            }
            target[i] = (int8_t)value;
        }
        if (op->flags & TG_WEIGHTS_PAIRED) {
            pair(target);
        }
    }
    reader->codes = codes;
    reader->buffer = buffer;
    reader->left = left;
}
