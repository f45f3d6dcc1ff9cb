#include "tg_elementwise.h"

void tg_clip(const tg_clip_t *op, const int8_t *input, int8_t *output) {
    for (int32_t i = op->elements; i > 0; i--) {
        *output++ = (int8_t)tg_clamp(*input++, op->min, op->max);
    }
}
