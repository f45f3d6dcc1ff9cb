/*
 * Faults end in one text line and a halt.
 *
 * The handler trusts nothing of the state that faulted. It goes on below the frame that the core
 * pushed if there is room; if not, it starts again at the top of the stack, to which nobody
 * returns. It sets the UART up anew, so that a fault before or within that is reported too.
 */
#include "registers.h"
#include "tg/cpu.h"
#include "tg/text.h"
#include "tg/uart.h"

extern uint32_t tg_stack_end[], tg_stack_top[];
extern const uint8_t tg_text_start[], tg_text_end[];

/* How far above the stack's end a return address is looked for when the stack overflowed. */
#define SEARCHED_WORDS 64u

void tg_exception(void);
_Noreturn void tg_report_exception(const uint32_t *frame, uint32_t exception);

/*
 * r0 = the frame that the core pushed, r1 = the exception's number. Pushes nothing before the stack
 * pointer is known to lie in the stack, with at least 512 bytes below it. Armv6-M instructions
 * only.
 */
__attribute__((naked)) void tg_exception(void) {
    __asm__ volatile(
        "mov r0, sp\n\t"
        "mrs r1, ipsr\n\t"
        "ldr r2, =tg_stack_top\n\t"
        "cmp r0, r2\n\t"
        "bhi 1f\n\t"
        "ldr r3, =tg_stack_end + 512\n\t"
        "cmp r0, r3\n\t"
        "bhs 2f\n\t"
        "1: mov sp, r2\n\t"
        "2: bl tg_report_exception\n\t"
        ".ltorg");
}

void tg_systick(void) __attribute__((weak, alias("tg_exception")));

static void put_field(const char *name, uint32_t value) {
    tg_put_text(" ");
    tg_put_text(name);
    tg_put_text("=");
    tg_put_hex32(value);
}

static void begin(const char *kind) {
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

static const char *kind_of(uint32_t exception) {
    static const char *const kinds[] = {"nmi", "hard", "memory", "bus", "usage"};
    return exception >= 2u && exception <= 6u ? kinds[exception - 2u] : "interrupt";
}

#if TG_HAS_FAULT_STATUS
static int is_stack_overflow(const uint32_t *frame, uint32_t status) {
    if ((status & (CFSR_MSTKERR | CFSR_MLSPERR | CFSR_STKERR)) != 0u) {
        return 1;
    }
    if (TG_HAS_STACK_LIMIT && (status & CFSR_STKOF) != 0u) {
        return 1;
    }
    /* An access just below the stack's end, by code whose frame is there. */
    return (status & (CFSR_DACCVIOL | CFSR_MMARVALID)) == (CFSR_DACCVIOL | CFSR_MMARVALID) &&
           SCB_MMFAR < (uint32_t)(uintptr_t)tg_stack_end && frame <= tg_stack_end + 64;
}
#endif

/* The stacked words can be read only if the stack pointer points into the stack. */
static int is_readable(const uint32_t *frame) {
    return frame >= tg_stack_end && frame + 8 <= tg_stack_top;
}

/*
 * When the stack overflowed, the core could not store where. The nearest word that looks like a
 * return address (odd, in code) tells at least who was at work; 0 if there is none.
 */
static uint32_t return_address_near(const uint32_t *frame) {
    const uint32_t *word = is_readable(frame) ? frame : tg_stack_end;
    for (uint32_t i = 0; i < SEARCHED_WORDS && word < tg_stack_top; ++i, ++word) {
        if ((*word & 1u) != 0u &&
            *word - (uint32_t)(uintptr_t)tg_text_start < (uint32_t)(tg_text_end - tg_text_start)) {
            return *word;
        }
    }
    return 0u;
}

__attribute__((used)) void tg_report_exception(const uint32_t *frame, uint32_t exception) {
    const int readable = is_readable(frame);
    const uint32_t lr = readable ? frame[5] : return_address_near(frame);
    const uint32_t pc = readable ? frame[6] : 0u;
#if TG_HAS_FAULT_STATUS
    const uint32_t status = SCB_CFSR;
    begin(is_stack_overflow(frame, status) ? "stack" : kind_of(exception));
#else
    begin(readable ? kind_of(exception) : "stack");
#endif
    put_field("pc", pc);
    put_field("lr", lr);
    put_field("sp", (uint32_t)(uintptr_t)frame);
#if TG_HAS_FAULT_STATUS
    put_field("cfsr", status);
    put_field("hfsr", SCB_HFSR);
    if ((status & CFSR_BFARVALID) != 0u) {
        put_field("address", SCB_BFAR);
    } else if ((status & CFSR_MMARVALID) != 0u) {
        put_field("address", SCB_MMFAR);
    }
#endif
    put_field("exception", exception);
    tg_put_line_end();
    tg_halt();
}

void tg_fault(const char *kind, const char *detail, uint32_t value) {
    begin(kind);
    put_field(detail, value);
    tg_put_line_end();
    tg_halt();
}
