/* Depthwise convolutions whose weights are decoded.
 *
 * All weights are decoded in the beginning; then order of
 * reading and writing is the kernel's. scratch: the weights, then the kernel's. */
#ifndef TG_CODED_DEPTHWISE_H
#define TG_CODED_DEPTHWISE_H

#include "../depthwise/tg_depthwise.h"
#include "../depthwise/tg_depthwise_taps.h"
#include "tg_weights.h"

TG_CODED_LAYER(depthwise_3x3_int8);
TG_CODED_LAYER(depthwise_taps_int8);

#endif /* TG_CODED_DEPTHWISE_H */
