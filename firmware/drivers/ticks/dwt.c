/*
 * The cycle counter of Armv7-M and Armv8-M cores (DDI 0403E, C1.8.8). QEMU reads it as 0, Renode
 * has it only with a description that adds it.
 */
#include "tg/clock.h"
#include "tg/register.h"
#include "tg/ticks.h"

#define DEMCR TG_REGISTER(0xE000EDFCu)
#define DWT_CTRL TG_REGISTER(0xE0001000u)
#define DWT_CYCCNT TG_REGISTER(0xE0001004u)
#define DWT_LAR TG_REGISTER(0xE0001FB0u)
#define DEMCR_TRCENA (1u << 24)
#define DWT_CTRL_CYCCNTENA 1u
#define DWT_LAR_KEY 0xC5ACCE55u /* a Cortex-M7 locks the registers; others ignore this */

extern const struct tg_ticks tg_ticks_dwt;

static void start(void) {
    DEMCR |= DEMCR_TRCENA;
    DWT_LAR = DWT_LAR_KEY;
    DWT_CYCCNT = 0u;
    DWT_CTRL |= DWT_CTRL_CYCCNTENA;
}

static uint32_t read(void) {
    return DWT_CYCCNT;
}

const struct tg_ticks tg_ticks_dwt = {"dwt", start, read, tg_clock_core_hz};
