/* Vector table and start-up of a Cortex-M core. */
#include "registers.h"
#include "tg/clock.h"
#include "tg/cpu.h"
#include "tg/uart.h"

typedef void (*tg_vector)(void);

/* Set by the linker script; only their addresses mean something. */
extern uint32_t tg_data_load[], tg_data_start[], tg_data_end[];
extern uint32_t tg_bss_start[], tg_bss_end[];
extern const tg_vector tg_init_array_start[], tg_init_array_end[];
extern uint32_t tg_stack_guard[], tg_stack_end[], tg_stack_top[];

_Noreturn void tg_reset(void);
_Noreturn void tg_start(void);
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

static void enable_core_features(void) {
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
 * has a limit register; Armv7-M forbids access to the guard by its MPU where it has one.
 */
static void guard_stack(void) {
#if TG_HAS_STACK_LIMIT
    __asm__ volatile("msr msplim, %0" ::"r"(tg_stack_end));
#elif TG_HAS_FAULT_STATUS
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

/* Loops over volatile words: memcpy may need what is not initialised yet, and size matters here. */
static void init_memory(void) {
    volatile uint32_t *target = tg_data_start;
    for (const uint32_t *source = tg_data_load; target < tg_data_end;) {
        *target++ = *source++;
    }
    for (target = tg_bss_start; target < tg_bss_end;) {
        *target++ = 0u;
    }
}

/* Only C++ has any: a TensorFlow Lite Micro runtime, or the user's own code. */
static void run_constructors(void) {
    for (const tg_vector *constructor = tg_init_array_start; constructor < tg_init_array_end;) {
        (*constructor++)();
    }
}

__attribute__((used)) void tg_start(void) {
    enable_core_features();
    init_memory();
    guard_stack();
    tg_clock_init();
    tg_uart_init();
    run_constructors();
    tg_main();
    tg_halt();
}

void tg_halt(void) {
    tg_uart_flush();
    __asm__ volatile("cpsid i" ::: "memory");
    for (;;) {
        __asm__ volatile("wfi");
    }
}
