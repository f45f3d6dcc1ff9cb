#include "tg_weights.h"

void tg_weights_lut_filters(tg_weights_reader_t *reader, int8_t *target) {
    const tg_weights_t *op = reader->op;
    const int32_t count = 1 << op->bits;
    const int8_t *first = reader->values;
    const int8_t *second = op->paired ? first + count : first;
    reader->values = second + count;
    reader->codes = tg_weights_codes(op, reader->codes, first, second, target);
}
