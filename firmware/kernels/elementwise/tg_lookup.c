#include "elementwise/tg_elementwise.h"

void tg_lookup(const tg_lookup_t *op, const uint8_t *input, uint8_t *output) {
    const uint8_t *table = op->table;
    for (int32_t i = op->elements; i > 0; i--) {
        *output++ = table[*input++];
    }
}
