/*
 * Exceptions end in one text line and a halt.
 *
 * The handler goes on below the frame that the core pushed if there is room; if not, it starts
 * again at the top of the stack, to which nobody returns.
 */
#include "registers.h"
#include "tg/core.h"

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

__attribute__((used)) void tg_report_exception(const uint32_t *frame, uint32_t exception) {
    const int readable = tg_stack_holds(frame, 32u);
    const uint32_t lr = readable ? frame[5] : tg_return_address_near(frame, 1u);
    const uint32_t pc = readable ? frame[6] : 0u;
#if TG_HAS_FAULT_STATUS
    const uint32_t status = SCB_CFSR;
    tg_fault_begin(is_stack_overflow(frame, status) ? "stack" : kind_of(exception));
#else
    tg_fault_begin(readable ? kind_of(exception) : "stack");
#endif
    tg_fault_field("pc", pc);
    tg_fault_field("lr", lr);
    tg_fault_field("sp", (uint32_t)(uintptr_t)frame);
#if TG_HAS_FAULT_STATUS
    tg_fault_field("cfsr", status);
    tg_fault_field("hfsr", SCB_HFSR);
    if ((status & CFSR_BFARVALID) != 0u) {
        tg_fault_field("address", SCB_BFAR);
    } else if ((status & CFSR_MMARVALID) != 0u) {
        tg_fault_field("address", SCB_MMFAR);
    }
#endif
    tg_fault_field("exception", exception);
    tg_fault_end();
}
