#include "tg_mve_tiles.h"

#if TG_MVE

#pragma GCC diagnostic ignored "-Wunused-parameter" /* assembly takes it from a register */

TG_NAKED void tg_mve_tiles_relu(const tg_mve_tiles_t *op) {
    TG_MVE_TILES("vdup.32 q5, r9\n", TG_MVE_ADD_RELU);
}

#else

void tg_mve_tiles_relu(const tg_mve_tiles_t *op) {
    tg_mve_tiles_portable(op);
}

#endif
