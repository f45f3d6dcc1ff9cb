/*
 * SysTick, which every Cortex-M may have (DDI 0403E, B3.3): 24 bits wide, extended to 32 by
 * counting its overflows in an interrupt. The interrupt's own instructions count as well: about 20
 * in 16.7 million.
 */
#include "tg/clock.h"
#include "tg/register.h"
#include "tg/ticks.h"

#define SYST_CSR TG_REGISTER(0xE000E010u)
#define SYST_RVR TG_REGISTER(0xE000E014u)
#define SYST_CVR TG_REGISTER(0xE000E018u)
#define SYST_CSR_RUN 7u /* core clock, interrupt, enabled */
#define RELOAD 0xFFFFFFu

extern const struct tg_ticks tg_ticks_systick;
void tg_systick(void);

static volatile uint32_t overflows;

void tg_systick(void) {
    ++overflows;
}

static void start(void) {
    SYST_RVR = RELOAD;
    SYST_CVR = 0u;
    overflows = 0u;
    SYST_CSR = SYST_CSR_RUN;
}

/* Read again if the interrupt came between the two halves. */
static uint32_t read(void) {
    uint32_t before;
    uint32_t count;
    do {
        before = overflows;
        count = RELOAD - SYST_CVR;
    } while (before != overflows);
    return (before << 24) | count;
}

const struct tg_ticks tg_ticks_systick = {"systick", start, read, tg_clock_core_hz};
