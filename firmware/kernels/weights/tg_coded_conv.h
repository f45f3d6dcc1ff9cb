/* Portable convolutions whose weights are decoded.
 *
 * All weights are decoded in the beginning; then order of
 * reading and writing is the kernel's. scratch: the weights, then the kernel's. */
#ifndef TG_CODED_CONV_H
#define TG_CODED_CONV_H

#include "../conv/tg_conv.h"
#include "tg_weights.h"

TG_CODED_LAYER(conv_2d);
TG_CODED_LAYER(conv_direct);
TG_CODED_LAYER(depthwise_conv_2d);

#endif /* TG_CODED_CONV_H */
