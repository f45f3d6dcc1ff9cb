/* Convolutions by products of matrices whose weights are decoded.
 *
 * All weights are decoded in the beginning; then order of
 * reading and writing is the kernel's. scratch: the weights, then the kernel's. */
#ifndef TG_CODED_GEMM_H
#define TG_CODED_GEMM_H

#include "../conv_gemm/tg_conv_gemm.h"
#include "tg_weights.h"

TG_CODED_LAYER(conv_ring_pair8);
TG_CODED_LAYER(conv_direct_pair8);

#endif /* TG_CODED_GEMM_H */
