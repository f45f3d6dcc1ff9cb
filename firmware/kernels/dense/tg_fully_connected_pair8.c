#include "dense/tg_dense_pair8.h"

/* Widens a row; what is missing to a step of eight reads as 0. Returns the end. */
static uint32_t *widen(const int8_t *input, int32_t count, uint32_t *words) {
    const uint32_t *end = words + (count + 7) / 8 * 4;
    for (; count >= 4; count -= 4, input += 4, words += 2) {
        const uint32_t four = tg_load4(input);
        words[0] = tg_sxtb16(four);
        words[1] = tg_sxtb16_odd(four);
    }
    for (; words < end; count = 0, words += 2) {
        int8_t four[4] = {0};
        tg_copy(four, input, count);
        words[0] = tg_sxtb16(tg_load4(four));
        words[1] = tg_sxtb16_odd(tg_load4(four));
    }
    return words;
}

void tg_fully_connected_pair8(const tg_fully_connected_pair8_t *op, const int8_t *input,
                              int8_t *output, int8_t *scratch) {
    uint32_t *values = (uint32_t *)(void *)scratch;
    for (int32_t b = 0; b < op->batches; b++) {
        const uint32_t *end = widen(input, op->inputs, values);
        tg_dense_row(op, values, end, output, tg_dense_rows_int16);
        input += op->inputs;
        output += op->outputs;
    }
}
