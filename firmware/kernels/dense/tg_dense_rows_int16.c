#include "tg_dense_pair8.h"

#if TG_DSP

#pragma GCC diagnostic ignored "-Wunused-parameter" /* assembly takes it from its register */

TG_NAKED void tg_dense_rows_int16(const tg_dense_rows_t *rows) {
    TG_DENSE_ROWS("ldm r12!, {r0-r3}\n");
}

#else

static void load(const void *values, int32_t word, uint32_t x[2]) {
    const uint32_t *words = values;
    x[0] = words[2 * word];
    x[1] = words[2 * word + 1];
}

void tg_dense_rows_int16(const tg_dense_rows_t *rows) {
    const int8_t *begin = rows->values;
    const int8_t *end = rows->values_end;
    tg_dense_rows_portable(rows, (int32_t)(end - begin) / 8, load);
}

#endif
