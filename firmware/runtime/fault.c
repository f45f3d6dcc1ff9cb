/*
 * The line in which a fault ends. Nothing of the state that faulted is trusted: the UART is set up
 * anew, so that a fault before or within that is reported too.
 */
#include "tg/core.h"
#include "tg/cpu.h"
#include "tg/text.h"
#include "tg/uart.h"

/* How far above the stack's end a return address is looked for when the stack overflowed. */
#define SEARCHED_WORDS 64u

void tg_fault_begin(const char *kind) {
    static uint8_t reporting;
    if (reporting != 0u) { /* the report itself faulted: say no more */
        for (;;) {
        }
    }
    reporting = 1u;
    tg_uart_init();
    tg_put_line_end(); /* whatever line was being sent ends here */
    tg_put_text("TG fault ");
    tg_put_text(kind);
}

void tg_fault_field(const char *name, uint32_t value) {
    tg_put_text(" ");
    tg_put_text(name);
    tg_put_text("=");
    tg_put_hex32(value);
}

void tg_fault_end(void) {
    tg_put_line_end();
    tg_halt();
}

void tg_fault(const char *kind, const char *detail, uint32_t value) {
    tg_fault_begin(kind);
    tg_fault_field(detail, value);
    tg_fault_end();
}

int tg_stack_holds(const void *address, uint32_t bytes) {
    const uintptr_t first = (uintptr_t)address;
    return first >= (uintptr_t)tg_stack_end && first <= (uintptr_t)tg_stack_top - bytes;
}

uint32_t tg_return_address_near(const uint32_t *address, uint32_t code_bits) {
    const uint32_t *word = tg_stack_holds(address, 4u) ? address : tg_stack_end;
    for (uint32_t i = 0; i < SEARCHED_WORDS && word < tg_stack_top; ++i, ++word) {
        if ((*word & code_bits) == code_bits &&
            *word - (uint32_t)(uintptr_t)tg_text_start < (uint32_t)(tg_text_end - tg_text_start)) {
            return *word;
        }
    }
    return 0u;
}
