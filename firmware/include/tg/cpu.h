/*
 * What the core's start-up code offers to the rest: firmware/cortex_m/ implements it.
 *
 * Start-up copies .data, clears .bss, enables the FPU, guards the stack's end, starts clock and
 * UART, then calls tg_main(). Faults print "TG fault <kind> pc=... lr=..." and halt.
 */
#ifndef TG_CPU_H
#define TG_CPU_H

#include <stdint.h>

/* The firmware's entry: the application's, or the validation firmware's. */
void tg_main(void);

/* Stops for good, with interrupts off; a debugger can still attach. */
_Noreturn void tg_halt(void);

/* Prints "TG fault <kind> <detail>=<hex value>" and halts: for faults that software finds. */
_Noreturn void tg_fault(const char *kind, const char *detail, uint32_t value);

/*
 * The stack is measured by paint: words with a known pattern between its end and the stack pointer.
 * tg_stack_call() paints what is free, calls `function`, and stores in `*used_bytes` how deep the
 * stack grew below the call. It does nothing about what lies above the call.
 */
int tg_stack_call(int (*function)(void), uint32_t *used_bytes);

/* Bytes between the stack's top and the stack pointer with which start-up calls tg_main(). */
uint32_t tg_stack_at_entry(void);

/* Non-zero while the last words before the stack's end still carry paint. */
int tg_stack_is_intact(void);

#endif
