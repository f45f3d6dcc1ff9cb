#include "tg_mve_conv.h"

void tg_conv_direct_mve(const tg_conv_direct_mve_t *op, const int8_t *input, int8_t *output,
                        int8_t *scratch) {
    tg_mve_direct(op, input, output, scratch, tg_mve_blocks);
}
