/*
 * The cycle counter of a RISC-V core (privileged architecture 1.12, 3.1.10). QEMU and Renode count
 * instructions in it.
 */
#include "tg/clock.h"
#include "tg/ticks.h"

extern const struct tg_ticks tg_ticks_riscv_mcycle;

static void start(void) {
}

static uint32_t read(void) {
    uint32_t cycles;
    __asm__ volatile("csrr %0, mcycle" : "=r"(cycles));
    return cycles;
}

const struct tg_ticks tg_ticks_riscv_mcycle = {"riscv_mcycle", start, read, tg_clock_core_hz};
