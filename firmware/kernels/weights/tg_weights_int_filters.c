#include "tg_weights.h"

/* The values of a filter with a factor of its own. */
static void make_table(int32_t count, int32_t factor, int8_t *table) {
    for (int32_t i = 0; i < count; i++) {
        table[i] = (int8_t)((i - count / 2) * factor);
    }
}

void tg_weights_int_filters(tg_weights_reader_t *reader, int8_t *target) {
    const tg_weights_t *op = reader->op;
    const int32_t count = 1 << op->bits;
    int8_t tables[2][16];
    make_table(count, *reader->values, tables[0]);
    reader->values += op->paired;
    make_table(count, *reader->values++, tables[1]);
    reader->codes = tg_weights_codes(op, reader->codes, tables[0], tables[1], target);
}
