/*
 * The validation firmware: runs the application once to measure its stack, then each test vector,
 * and reports in the lines that docs/TG_PROTOCOL.md describes.
 */
#include <stddef.h>

#include "profile.h"
#include "tg/app.h"
#include "tg/clock.h"
#include "tg/cpu.h"
#include "tg/crc32.h"
#include "tg/model.h"
#include "tg/text.h"
#include "tg/ticks.h"
#include "tg_board.h"
#include "vectors.h"

/* The application's tg_main() keeps at most its return address and padding on the stack. */
#define APP_ENTRY_BYTES 8u

static const struct tg_ticks *counter;
static uint32_t ticks_taken;
static int (*timed_function)(void);
static uint32_t timed_index;

static uint32_t now(void) {
    return counter != NULL ? counter->read() : 0u;
}

/* The function that tg_stack_call() calls: the inference between two looks at the counter. */
static int timed(void) {
    tg_profile_begin(timed_index);
    const uint32_t start = now();
    const int status = timed_function();
    ticks_taken = now() - start;
    return status;
}

static int nothing(void) {
    return 0;
}

static int run_timed(int (*function)(void), uint32_t *stack_bytes) {
    timed_function = function;
    return tg_stack_call(timed, stack_bytes);
}

static void put_field(const char *name, uint32_t value) {
    tg_put_text(" ");
    tg_put_text(name);
    tg_put_text("=");
    tg_put_decimal(value);
}

static void say_hello(void) {
    const volatile struct tg_vectors_header *header = &tg_vectors;
    tg_put_text("TG hello ");
    tg_put_text(tg_model.name);
    tg_put_text(" ");
    tg_put_decimal(TG_ABI);
    tg_put_text(" ");
    tg_put_decimal(header->count);
    tg_put_line_end();
    tg_put_text("TG info board=" TG_BOARD_NAME " ticks=");
    tg_put_text(counter != NULL ? counter->name : "none");
    put_field("ticks_hz", counter != NULL ? counter->hz() : 0u);
    put_field("core_hz", tg_clock_core_hz());
    tg_put_line_end();
}

static void load_inputs(const uint8_t *source) {
    for (uint32_t i = 0; i < tg_model.input_count; ++i) {
        uint8_t *input = tg_model.inputs[i].data();
        for (uint32_t k = 0; k < tg_model.inputs[i].bytes; ++k) {
            input[k] = *source++;
        }
    }
}

static void put_outputs(uint32_t index) {
    for (uint32_t i = 0; i < tg_model.output_count; ++i) {
        const void *data = tg_model.outputs[i].data();
        tg_put_text("TG out ");
        tg_put_decimal(index);
        tg_put_text(" ");
        tg_put_decimal(i);
        tg_put_text(" ");
        tg_put_bytes(data, tg_model.outputs[i].bytes);
        tg_put_text(" crc=");
        tg_put_hex32(tg_crc32(0u, data, tg_model.outputs[i].bytes));
        tg_put_line_end();
    }
}

static void put_ticks(uint32_t index, uint32_t ticks) {
    tg_put_text("TG ticks ");
    tg_put_decimal(index);
    tg_put_text(" ");
    tg_put_decimal(ticks);
    tg_put_line_end();
}

/* Runs one vector; returns the stack that the inference used. */
static uint32_t run_vector(uint32_t position, uint32_t index, uint32_t overhead) {
    uint32_t stack_bytes = 0u;
    load_inputs(tg_vectors_inputs(position));
    timed_index = index;
    const int status = run_timed(tg_model.invoke, &stack_bytes);
    const uint32_t ticks = ticks_taken - overhead - tg_profile_end();
    if (status < 0) {
        tg_fault("invoke", "status", (uint32_t)status);
    }
    if (!tg_stack_is_intact()) {
        tg_fault("stack", "used", stack_bytes);
    }
    put_outputs(index);
    put_ticks(index, ticks);
    return stack_bytes;
}

/*
 * What the application needs: all of it, measured while it runs as it does on its own. Should
 * another input take a deeper path through the model than the application's, the difference is
 * added.
 */
static uint32_t run_application(void) {
    uint32_t stack_bytes = 0u;
    const int status = tg_stack_call(tg_app_run, &stack_bytes);
    if (status < 0) {
        tg_fault("init", "status", (uint32_t)status);
    }
    if (!tg_stack_is_intact()) {
        tg_fault("stack", "used", stack_bytes);
    }
    return stack_bytes + tg_stack_at_entry() + APP_ENTRY_BYTES;
}

void tg_main(void) {
    const volatile struct tg_vectors_header *header = &tg_vectors;
    counter = tg_ticks_start();
    say_hello();
    tg_vectors_check();
    uint32_t application = run_application();

    uint32_t stack_bytes = 0u;
    tg_profile_start(counter);
    (void)run_timed(nothing, &stack_bytes);
    (void)tg_profile_end();
    const uint32_t overhead = ticks_taken;

    uint32_t first = 0u;
    uint32_t deepest = 0u;
    for (uint32_t i = 0; i < header->count; ++i) {
        const uint32_t used = run_vector(i, header->first_index + i, overhead);
        first = i == 0u ? used : first;
        deepest = used > deepest ? used : deepest;
    }
    tg_put_text("TG stack ");
    tg_put_decimal(application + deepest - first);
    tg_put_line_end();
    tg_put_text("TG done ");
    tg_put_decimal(header->count);
    tg_put_line_end();
}
