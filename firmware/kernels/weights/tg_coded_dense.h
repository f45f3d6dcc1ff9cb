/* Fully connected layers whose weights are decoded.
 *
 * A row, or a block of four, is decoded and multiplied before the next. The output must not overlap
 * the input. scratch: one row, or one block with its biases. */
#ifndef TG_CODED_DENSE_H
#define TG_CODED_DENSE_H

#include "../dense/tg_dense.h"
#include "../dense/tg_dense_pair8.h"
#include "tg_weights.h"

TG_CODED_LAYER(fully_connected);
TG_CODED_LAYER(fully_connected_pair8_direct);

#endif /* TG_CODED_DENSE_H */
