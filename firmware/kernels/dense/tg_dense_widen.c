#include "tg_dense_pair8.h"

uint32_t *tg_dense_widen(const int8_t *input, int32_t count, uint32_t *words) {
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
