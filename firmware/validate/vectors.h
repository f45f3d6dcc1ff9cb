/*
 * Test vectors in flash. The host replaces the section .tg_vectors in the ELF file, header and
 * data, without compiling; it may grow up to the end of the flash region. Little endian, no
 * padding. tinygen/emulate/vectors.py writes this layout.
 */
#ifndef TG_VECTORS_H
#define TG_VECTORS_H

#include <stdint.h>

#define TG_VECTORS_MAGIC 0x43564754u /* "TGVC" */
#define TG_ABI 1u

#define TG_WANT_LAYERS 1u /* profile firmware: a TG layer line for each operator */
#define TG_WANT_DATA 2u   /* profile firmware: TG data lines, for `data_op` or for all operators */
#define TG_ALL_OPS 0xFFFFFFFFu

struct tg_vectors_header {
    uint32_t magic;
    uint32_t abi;
    uint32_t count;       /* vectors that follow */
    uint32_t first_index; /* number of the first one, when the host runs several batches */
    uint32_t input_bytes; /* of one vector: all inputs of the model, one after the other */
    uint32_t wants;       /* TG_WANT_* */
    uint32_t data_op;     /* operator whose data is wanted, or TG_ALL_OPS */
    uint32_t crc;         /* CRC-32 of the data after this header */
};

extern const struct tg_vectors_header tg_vectors;

/* Checks the header and the data against the model; reports a fault and halts if they are wrong. */
void tg_vectors_check(void);

/* Inputs of vector `position`, counted from 0 within this batch. */
const uint8_t *tg_vectors_inputs(uint32_t position);

#endif
