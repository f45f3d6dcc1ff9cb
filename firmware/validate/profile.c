/*
 * The probe after each operator. Its own time is not the operator's: it reads the counter first and
 * last, and what a bare call costs is measured beforehand and taken off.
 */
#include "profile.h"

#include <stddef.h>

#include "probe.h"
#include "tg/crc32.h"
#include "tg/text.h"
#include "vectors.h"

#define BYTES_A_LINE 64u

static const struct tg_ticks *counter;
static uint32_t vector_index;
static uint32_t last;     /* counter when the previous probe, or the inference, began to run on */
static uint32_t spent;    /* in probes */
static uint32_t overhead; /* of a probe with nothing between it and the previous one */
static enum { OFF, CALIBRATING, RUNNING } state;

static uint32_t now(void) {
    return counter != NULL ? counter->read() : 0u;
}

static void put_numbers(uint32_t index, uint32_t op, uint32_t tensor, uint32_t value) {
    const uint32_t numbers[] = {index, op, tensor, value};
    for (uint32_t i = 0; i < 4u; ++i) {
        tg_put_text(" ");
        tg_put_decimal(numbers[i]);
    }
}

static void put_crc(const void *data, uint32_t bytes) {
    tg_put_text(" crc=");
    tg_put_hex32(tg_crc32(0u, data, bytes));
    tg_put_line_end();
}

static void put_data(uint32_t op, uint32_t tensor, const uint8_t *data, uint32_t bytes) {
    for (uint32_t offset = 0; offset < bytes; offset += BYTES_A_LINE) {
        const uint32_t part = bytes - offset < BYTES_A_LINE ? bytes - offset : BYTES_A_LINE;
        tg_put_text("TG data");
        put_numbers(vector_index, op, tensor, offset);
        tg_put_text(" ");
        tg_put_bytes(data + offset, part);
        put_crc(data + offset, part);
    }
}

static void report(uint32_t op, uint32_t tensor, const void *data, uint32_t bytes, uint32_t ticks) {
    const volatile struct tg_vectors_header *header = &tg_vectors;
    if ((header->wants & TG_WANT_LAYERS) != 0u) {
        tg_put_text("TG layer");
        put_numbers(vector_index, op, tensor, ticks > overhead ? ticks - overhead : 0u);
        put_crc(data, bytes);
    }
    if ((header->wants & TG_WANT_DATA) != 0u &&
        (header->data_op == TG_ALL_OPS || header->data_op == op)) {
        put_data(op, tensor, data, bytes);
    }
}

void tg_probe(uint16_t op, uint16_t tensor, const void *data, uint32_t bytes) {
    const uint32_t entered = now();
    if (state == CALIBRATING) {
        overhead = entered - last;
    } else if (state == RUNNING) {
        report(op, tensor, data, bytes, entered - last);
    }
    const uint32_t left = now();
    spent += left - entered + overhead;
    last = left;
}

void tg_profile_start(const struct tg_ticks *ticks) {
    counter = ticks;
    state = CALIBRATING;
    for (uint32_t i = 0; i < 2u; ++i) { /* the first call only sets `last` */
        TG_PROBE(0, 0, NULL, 0);
    }
    state = OFF;
}

void tg_profile_begin(uint32_t index) {
    vector_index = index;
    state = RUNNING;
    spent = 0u;
    last = now();
}

uint32_t tg_profile_end(void) {
    state = OFF;
    return spent;
}
