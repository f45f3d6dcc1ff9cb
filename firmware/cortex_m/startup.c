/* Vector table and reset of a Cortex-M core. */
#include "registers.h"
#include "tg/core.h"
#include "tg/cpu.h"
#include "tg/uart.h"

typedef void (*tg_vector)(void);

_Noreturn void tg_reset(void);
void tg_exception(void);

/*
 * The core's own 16 vectors. The firmware enables no interrupt but SysTick, which a ticks driver
 * may define; the chip's interrupts have no entries.
 */
void tg_systick(void);

struct tg_vectors {
    const uint32_t *stack_top;
    tg_vector handlers[15];
};

extern const struct tg_vectors tg_vector_table;

__attribute__((section(".vectors"), used)) const struct tg_vectors tg_vector_table = {
    tg_stack_top,
    {tg_reset, tg_exception, tg_exception, tg_exception, tg_exception, tg_exception, 0, 0, 0, 0,
     tg_exception, tg_exception, 0, tg_exception, tg_systick},
};

/* Sets the stack pointer itself: a debugger or boot loader may enter here without the vector table.
 */
__attribute__((naked)) void tg_reset(void) {
    __asm__ volatile(
        "ldr r0, =tg_stack_top\n\t"
        "mov sp, r0\n\t"
        "bl tg_start\n\t"
        ".ltorg");
}

void tg_core_enable(void) {
#if TG_HAS_FAULT_STATUS
    SCB_VTOR = (uint32_t)(uintptr_t)&tg_vector_table;
    SCB_SHCSR |= SCB_SHCSR_FAULTS_ENABLED;
    SCB_CCR |= SCB_CCR_DIV_0_TRP;
#endif
#if defined(__ARM_FP)
    SCB_CPACR |= SCB_CPACR_CP10_CP11_FULL;
#endif
    __asm__ volatile("dsb\n\tisb" ::: "memory");
}

/*
 * Makes the stack's overflow a fault instead of a silent corruption of what lies below it: Armv8-M
 * has a limit register; Armv7-M and Armv6-M forbid access to the guard by their MPU if they have
 * one. (An Armv6-M core whose frame does not fit above the guard locks up.)
 */
void tg_core_guard_stack(void) {
#if TG_HAS_STACK_LIMIT
    __asm__ volatile("msr msplim, %0" ::"r"(tg_stack_end));
#else
    if (((MPU_TYPE >> 8) & 0xFFu) != 0u) {
        MPU_RNR = 0u;
        MPU_RBAR = (uint32_t)(uintptr_t)tg_stack_guard;
        /* Size 2^(7+1) = 256 bytes as in the linker script, no access, not executable, enabled. */
        MPU_RASR = (1u << 28) | (7u << 1) | 1u;
        MPU_CTRL = (1u << 2) | 1u; /* the default map everywhere else */
        __asm__ volatile("dsb\n\tisb" ::: "memory");
    }
#endif
}

void tg_halt(void) {
    tg_uart_flush();
    __asm__ volatile("cpsid i" ::: "memory");
    for (;;) {
        __asm__ volatile("wfi");
    }
}
