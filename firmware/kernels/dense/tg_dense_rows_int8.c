#include "tg_dense_pair8.h"

#if TG_DSP

#pragma GCC diagnostic ignored "-Wunused-parameter" /* assembly takes it from its register */

TG_NAKED void tg_dense_rows_int8(const tg_dense_rows_t *rows) {
    TG_DENSE_ROWS(
        "ldm r12!, {r0, r2}\n"
        "sxtb16 r1, r0, ror #8\n"
        "sxtb16 r0, r0\n"
        "sxtb16 r3, r2, ror #8\n"
        "sxtb16 r2, r2\n");
}

#else

static void load(const void *values, int32_t word, uint32_t x[2]) {
    const int8_t *bytes = values;
    const uint32_t four = tg_load4(bytes + 4 * word);
    x[0] = tg_sxtb16(four);
    x[1] = tg_sxtb16_odd(four);
}

void tg_dense_rows_int8(const tg_dense_rows_t *rows) {
    const int8_t *begin = rows->values;
    const int8_t *end = rows->values_end;
    tg_dense_rows_portable(rows, (int32_t)(end - begin) / 4, load);
}

#endif
