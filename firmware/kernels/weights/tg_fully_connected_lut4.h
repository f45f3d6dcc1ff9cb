/* Fully connected layers from 4-bit codes that are never decoded to int8: a byte of two codes
 * selects two weights at once, widened to int16, from a table of 256 words. */
#ifndef TG_FULLY_CONNECTED_LUT4_H
#define TG_FULLY_CONNECTED_LUT4_H

#include "../dense/tg_dense_pair8.h"
#include "../tg_channels.h"

typedef struct {
    int32_t batches;
    int32_t inputs;  /* elements of an input row */
    int32_t outputs; /* elements of an output row, at least 2 */
    int32_t output_zero_point;
    int32_t output_min;
    int32_t output_max;
    /* [outputs][steps of eight inputs][4]: bytes of the codes of k0 and k2, k1 and k3, k4 and k6,
     * k5 and k7, the first of two in the low bits. */
    const uint8_t *codes;
    const int8_t *values; /* [16] */
    tg_channels_t channels;
} tg_fully_connected_lut4_t;

/* Widens an input row before it writes the row's outputs: of a single row, the output may overlap
 * the input at will. scratch: 1 KB for the table, then 2 bytes for each input, in steps of eight.
 */
void tg_fully_connected_lut4(const tg_fully_connected_lut4_t *op, const int8_t *input,
                             int8_t *output, int8_t *scratch);

#endif /* TG_FULLY_CONNECTED_LUT4_H */
