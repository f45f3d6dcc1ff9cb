/* Included before each generated source of the profile firmware, by the compiler's -include. */
#ifndef TG_PROBE_H
#define TG_PROBE_H

#include <stdint.h>

void tg_probe(uint16_t op, uint16_t tensor, const void *data, uint32_t bytes);

#define TG_PROBE(op, tensor, data, bytes)                                                          \
    tg_probe((uint16_t)(op), (uint16_t)(tensor), (data), (uint32_t)(bytes))

#endif
