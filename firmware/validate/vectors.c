#include "vectors.h"

#include "tg/cpu.h"
#include "tg/crc32.h"
#include "tg/model.h"

/*
 * Without vectors until the host writes some. Volatile accesses below: the compiler must not take
 * these initialisers for what the section will hold.
 */
__attribute__((section(".tg_vectors"), used, aligned(16)))
const struct tg_vectors_header tg_vectors = {
    TG_VECTORS_MAGIC, TG_ABI, 0u, 0u, 0u, 0u, TG_ALL_OPS, 0u,
};

static const uint8_t *data(void) {
    const uint8_t *bytes = (const uint8_t *)&tg_vectors;
    /* Hides that this points just past an object of a known size. */
    __asm__("" : "+r"(bytes));
    return bytes + sizeof(tg_vectors);
}

const uint8_t *tg_vectors_inputs(uint32_t position) {
    return data() + position * tg_model.input_bytes;
}

void tg_vectors_check(void) {
    const volatile struct tg_vectors_header *header = &tg_vectors;
    if (header->magic != TG_VECTORS_MAGIC) {
        tg_fault("vectors", "magic", header->magic);
    }
    if (header->abi != TG_ABI) {
        tg_fault("vectors", "abi", header->abi);
    }
    if (header->count != 0u && header->input_bytes != tg_model.input_bytes) {
        tg_fault("vectors", "input_bytes", header->input_bytes);
    }
    const uint32_t crc = tg_crc32(0u, data(), header->count * header->input_bytes);
    if (crc != header->crc) {
        tg_fault("vectors", "crc", crc);
    }
}
