/* Reset of a RISC-V core in machine mode. */
#include "registers.h"
#include "tg/core.h"
#include "tg/cpu.h"
#include "tg/uart.h"

_Noreturn void tg_reset(void);
void tg_trap(void);

/*
 * First in flash, where chips and emulators begin to run. Relaxation would make the first
 * instruction read the global pointer that it is to set.
 */
__attribute__((naked, section(".vectors"), used)) void tg_reset(void) {
    __asm__ volatile(
        ".option push\n\t"
        ".option norelax\n\t"
        "la gp, __global_pointer$\n\t"
        ".option pop\n\t"
        "csrw mie, zero\n\t"
        "la t0, tg_trap\n\t"
        "csrw mtvec, t0\n\t"
        "la sp, tg_stack_top\n\t"
        "tail tg_start");
}

void tg_core_enable(void) {
#if defined(__riscv_flen)
    __asm__ volatile("csrs mstatus, %0" ::"r"(MSTATUS_FS_INITIAL));
#endif
}

/*
 * Physical memory protection forbids even machine mode to access the guard when its entry is
 * locked. A core without it traps on these registers: for that moment, traps lead just behind them.
 */
void tg_core_guard_stack(void) {
    const uint32_t address = ((uint32_t)(uintptr_t)tg_stack_guard >> 2) | PMP_NAPOT_256_BYTES;
    __asm__ volatile(
        "la t0, 1f\n\t"
        "csrrw t0, mtvec, t0\n\t"
        "csrw pmpaddr0, %0\n\t"
        "csrw pmpcfg0, %1\n\t"
        ".balign 4\n"
        "1: csrw mtvec, t0" ::"r"(address),
        "r"(PMP_LOCKED_NAPOT)
        : "t0", "memory");
}

void tg_halt(void) {
    tg_uart_flush();
    __asm__ volatile("csrc mstatus, %0" ::"r"(MSTATUS_MIE) : "memory");
    for (;;) {
        __asm__ volatile("wfi");
    }
}
