/*
 * Traps end in one text line and a halt.
 *
 * A trap pushes nothing: the handler goes on below the stack pointer if there is room, and starts
 * again at the top of the stack if not; nobody returns.
 */
#include "registers.h"
#include "tg/core.h"

void tg_trap(void);
_Noreturn void tg_report_trap(const uint32_t *sp, uint32_t ra);

/* At least 512 bytes for the report. mtvec's mode bits are an aligned address's zeros. */
__attribute__((naked, aligned(4))) void tg_trap(void) {
    __asm__ volatile(
        "mv a0, sp\n\t"
        "mv a1, ra\n\t"
        "la t0, tg_stack_end + 512\n\t"
        "bltu sp, t0, 1f\n\t"
        "la t0, tg_stack_top\n\t"
        "bleu sp, t0, 2f\n"
        "1: la sp, tg_stack_top\n"
        "2: andi sp, sp, -16\n\t"
        "j tg_report_trap");
}

static int is_access_fault(uint32_t cause) {
    return cause == MCAUSE_LOAD_ACCESS || cause == MCAUSE_STORE_ACCESS;
}

/* The same words as a Cortex-M core's, so that a reader needs to know one list only. */
static const char *kind_of(uint32_t cause) {
    if ((cause & MCAUSE_INTERRUPT) != 0u) {
        return "interrupt";
    }
    if (is_access_fault(cause) || cause == MCAUSE_INSTRUCTION_ACCESS) {
        return "bus";
    }
    return cause >= MCAUSE_FIRST_PAGE_FAULT ? "memory" : "usage";
}

/* An access below the stack's end by code whose frame is there, or has left the stack. */
static int is_stack_overflow(const uint32_t *sp, uint32_t cause, uint32_t address) {
    return is_access_fault(cause) && address < (uint32_t)(uintptr_t)tg_stack_end &&
           sp <= tg_stack_end + 64;
}

__attribute__((used)) void tg_report_trap(const uint32_t *sp, uint32_t ra) {
    const uint32_t cause = TG_READ_CSR(mcause);
    const uint32_t address = TG_READ_CSR(mtval);
    tg_fault_begin(is_stack_overflow(sp, cause, address) ? "stack" : kind_of(cause));
    tg_fault_field("pc", TG_READ_CSR(mepc));
    tg_fault_field("lr", ra);
    tg_fault_field("sp", (uint32_t)(uintptr_t)sp);
    tg_fault_field("address", address);
    tg_fault_field("exception", cause);
    tg_fault_end();
}
