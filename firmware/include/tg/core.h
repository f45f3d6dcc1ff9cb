/*
 * What start-up code, fault handlers and the rest of firmware/runtime/ share with an architecture's
 * folder (firmware/cortex_m/, firmware/riscv/). Applications need tg/cpu.h only.
 */
#ifndef TG_CORE_H
#define TG_CORE_H

#include <stdint.h>

/* Set by the linker script; only their addresses mean something. */
extern uint32_t tg_stack_guard[], tg_stack_end[], tg_stack_top[];
extern const uint8_t tg_text_start[], tg_text_end[];

/* The stack's alignment at calls: AAPCS32, 6.2.1.2; RISC-V psABI, "Integer Calling Convention". */
#if defined(__riscv)
#define TG_LEAST_FRAME_BYTES 16u
#else
#define TG_LEAST_FRAME_BYTES 8u
#endif

/* Where an architecture's reset code goes on, with the stack pointer at tg_stack_top. */
_Noreturn void tg_start(void);

/* Given by the architecture: what must come before any other code, without .data or .bss. */
void tg_core_enable(void);

/* Given by the architecture: makes accesses to the stack's guard faults, where the core can. */
void tg_core_guard_stack(void);

/* Begins the line of a fault: "TG fault <kind>". Sets the UART up anew; does not return the second
 * time. */
void tg_fault_begin(const char *kind);

/* Adds " <name>=<hex value>". */
void tg_fault_field(const char *name, uint32_t value);

/* Ends the line and halts. */
_Noreturn void tg_fault_end(void);

/* Whether `bytes` from `address` lie in the stack. */
int tg_stack_holds(const void *address, uint32_t bytes);

/*
 * When the stack overflowed, nobody could store where. The nearest word from `address` up that
 * looks like a return address (in code, with `code_bits` set) tells at least who was at work; 0 if
 * there is none.
 */
uint32_t tg_return_address_near(const uint32_t *address, uint32_t code_bits);

#endif
