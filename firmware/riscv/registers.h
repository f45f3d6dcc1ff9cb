/*
 * Fields of RISC-V machine-mode registers, as far as start-up needs them. Source: The RISC-V
 * Instruction Set Manual, volume II, privileged architecture 1.12, chapter 3.
 */
#ifndef TG_RISCV_REGISTERS_H
#define TG_RISCV_REGISTERS_H

#include <stdint.h>

#define MSTATUS_MIE (1u << 3)
#define MSTATUS_FS_INITIAL (1u << 13)

/* 3.7.1: one entry, no access, locked; a naturally aligned region of 2^(5+3) = 256 bytes, the
 * linker script's guard. */
#define PMP_LOCKED_NAPOT 0x98u
#define PMP_NAPOT_256_BYTES 0x1Fu

#define MCAUSE_INTERRUPT (1u << 31)
#define MCAUSE_INSTRUCTION_ACCESS 1u
#define MCAUSE_LOAD_ACCESS 5u
#define MCAUSE_STORE_ACCESS 7u
#define MCAUSE_FIRST_PAGE_FAULT 12u

#define TG_READ_CSR(name)                                                                          \
    __extension__({                                                                                \
        uint32_t value_;                                                                           \
        __asm__ volatile("csrr %0, " #name : "=r"(value_));                                        \
        value_;                                                                                    \
    })

#endif
