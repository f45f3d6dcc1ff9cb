/*
 * Finds the smallest arena with which TensorFlow Lite Micro prepares the model: its own count of
 * the bytes used leaves out what preparing takes for a while. Reports in TG lines; "arena" is 0 if
 * not even the whole arena is enough.
 */
#include "arena.h"

#include "tg/cpu.h"
#include "tg/model.h"
#include "tg/text.h"
#include "vectors.h"

#define GRANULE 16u

static uint32_t smallest;
static uint32_t used;

static int works(uint32_t bytes) {
    const int status = tg_arena.init_within(bytes);
    if (status < 0 && status != tg_arena.too_small) {
        tg_fault("init", "status", (uint32_t)status);
    }
    return status >= 0;
}

/* The interpreter does not survive an arena below what it has used: nothing smaller is tried. */
static int search(void) {
    uint32_t high = tg_arena.bytes / GRANULE * GRANULE;
    if (!works(high)) {
        return 0;
    }
    used = tg_arena.used();
    uint32_t low = (used - 1u) / GRANULE * GRANULE;
    while (high - low > GRANULE) {
        const uint32_t middle = low + (high - low) / GRANULE / 2u * GRANULE;
        if (works(middle)) {
            high = middle;
        } else {
            low = middle;
        }
    }
    smallest = high;
    return 0;
}

static void put_field(const char *text, uint32_t value) {
    tg_put_text(text);
    tg_put_decimal(value);
}

void tg_main(void) {
    uint32_t stack_bytes = 0u;
    tg_put_text("TG hello ");
    tg_put_text(tg_model.name);
    put_field(" ", TG_ABI);
    put_field(" ", 0u);
    tg_put_line_end();
    (void)tg_stack_call(search, &stack_bytes);
    if (!tg_stack_is_intact()) {
        tg_fault("stack", "used", stack_bytes);
    }
    put_field("TG info arena=", smallest);
    put_field(" arena_used=", used);
    tg_put_line_end();
    put_field("TG stack ", stack_bytes);
    tg_put_line_end();
    put_field("TG done ", 0u);
    tg_put_line_end();
}
