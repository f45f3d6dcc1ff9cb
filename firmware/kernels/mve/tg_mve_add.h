/* Sums of two int8 tensors on MVE, four elements at a time. */
#ifndef TG_MVE_ADD_H
#define TG_MVE_ADD_H

#include "../elementwise/tg_add_linear.h"
#include "tg_mve.h"

typedef tg_add_linear_t tg_add_linear_mve_t;

/* tg_add_linear, the same order: four elements are read, then written. */
void tg_add_linear_mve(const tg_add_linear_mve_t *op, const int8_t *first, const int8_t *second,
                       int8_t *output);

#endif /* TG_MVE_ADD_H */
