#include "tg_elementwise.h"

void tg_lookup(const tg_lookup_t *op, const void *input, void *output) {
    const uint8_t *table = op->table;
    const uint8_t *from = input;
    uint8_t *to = output;
    for (int32_t i = op->elements; i > 0; i--) {
        *to++ = table[*from++];
    }
}
