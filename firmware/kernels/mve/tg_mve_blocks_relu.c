#include "tg_mve_blocks.h"

#if TG_MVE

#pragma GCC diagnostic ignored "-Wunused-parameter" /* assembly takes it from a register */

TG_NAKED void tg_mve_blocks_relu(const tg_mve_blocks_t *op) {
    TG_MVE_BLOCKS("");
}

#else

void tg_mve_blocks_relu(const tg_mve_blocks_t *op) {
    tg_mve_blocks_portable(op);
}

#endif
