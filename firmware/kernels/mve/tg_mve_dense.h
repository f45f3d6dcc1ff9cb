/* Fully connected layers on MVE: the plain weights, four rows at a time. */
#ifndef TG_MVE_DENSE_H
#define TG_MVE_DENSE_H

#include "../dense/tg_dense.h"
#include "tg_mve.h"

typedef tg_fully_connected_t tg_fully_connected_mve_t;

/* tg_fully_connected for shifts of -31 to -1. The output must not overlap the input. */
void tg_fully_connected_mve(const tg_fully_connected_mve_t *op, const int8_t *input,
                            int8_t *output);

#endif /* TG_MVE_DENSE_H */
