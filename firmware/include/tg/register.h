/* Memory-mapped registers, and waiting for one without ever hanging. For drivers. */
#ifndef TG_REGISTER_H
#define TG_REGISTER_H

#include <stdint.h>

#define TG_REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))

/*
 * A byte at 9600 baud takes 1 ms, and crystals and PLLs a few. Each poll takes at least 5 cycles,
 * so that this is longer at 200 MHz; and a dead peripheral can't hang us.
 */
#define TG_POLLS 100000u

/* Waits until the register's `mask` bits are `wanted`; 0 if they never were. */
static inline int tg_wait_for(const volatile uint32_t *reg, uint32_t mask, uint32_t wanted) {
    for (uint32_t i = 0; i < TG_POLLS; ++i) {
        if ((*reg & mask) == wanted) {
            return 1;
        }
    }
    return 0;
}

#endif
