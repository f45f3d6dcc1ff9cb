/* Pooling sixteen channels at a time on MVE. Order and overlap as for tg_pool_packed.h. */
#ifndef TG_MVE_POOL_H
#define TG_MVE_POOL_H

#include "../pool/tg_pool.h"
#include "tg_mve.h"

typedef tg_pool_2d_t tg_average_pool_2d_mve_t;
typedef tg_pool_2d_t tg_max_pool_2d_mve_t;

/* Windows of at most 256 pixels, whose sums fit in int16. */
void tg_average_pool_2d_mve(const tg_average_pool_2d_mve_t *op, const int8_t *input,
                            int8_t *output);

void tg_max_pool_2d_mve(const tg_max_pool_2d_mve_t *op, const int8_t *input, int8_t *output);

/* `count` (at most 16) channels of one output, from the window's first pixel. */
typedef void tg_mve_pool_kernel_t(const tg_pool_2d_t *op, tg_pool_window_t window, int32_t count,
                                  int8_t *output);

/* All outputs. */
void tg_mve_pool(const tg_pool_2d_t *op, const int8_t *input, int8_t *output,
                 tg_mve_pool_kernel_t *kernel);

#endif /* TG_MVE_POOL_H */
