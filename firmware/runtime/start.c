/* Start-up in C, from an initialised core to the application. */
#include "tg/clock.h"
#include "tg/core.h"
#include "tg/cpu.h"
#include "tg/uart.h"

typedef void (*constructor_t)(void);

extern uint32_t tg_data_load[], tg_data_start[], tg_data_end[];
extern uint32_t tg_bss_start[], tg_bss_end[];
extern const constructor_t tg_init_array_start[], tg_init_array_end[];

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
    for (const constructor_t *constructor = tg_init_array_start; constructor < tg_init_array_end;) {
        (*constructor++)();
    }
}

__attribute__((used)) void tg_start(void) {
    tg_core_enable();
    init_memory();
    tg_core_guard_stack();
    tg_clock_init();
    tg_uart_init();
    run_constructors();
    tg_main();
    tg_halt();
}
