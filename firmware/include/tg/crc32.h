/* CRC-32 as in IEEE 802.3 and zlib: polynomial 0xEDB88320 reflected, start and final XOR all ones.
 */
#ifndef TG_CRC32_H
#define TG_CRC32_H

#include <stdint.h>

/* The CRC of `bytes` bytes that follow on data with the CRC `crc`; start with 0. */
uint32_t tg_crc32(uint32_t crc, const void *data, uint32_t bytes);

#endif
