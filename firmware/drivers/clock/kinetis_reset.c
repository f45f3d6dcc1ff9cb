/*
 * Kinetis K on its reset clock, the FLL from the slow internal oscillator (FEI), with the watchdog
 * off. Source: K64P144M120SF5RM rev 4, 23.3 (WDOG) and 25.4.1 (MCG modes).
 */
#include "tg/clock.h"
#include "tg_board.h"

#define HALF_REGISTER(address) (*(volatile uint16_t *)(uintptr_t)(address))
#define WDOG_STCTRLH HALF_REGISTER(0x40052000u)
#define WDOG_UNLOCK HALF_REGISTER(0x4005200Eu)
#define STCTRLH_WDOGEN 1u

/* The two keys must come within 20 bus clocks, the change within 256 (23.3.1). */
void tg_clock_init(void) {
    WDOG_UNLOCK = 0xC520u;
    WDOG_UNLOCK = 0xD928u;
    WDOG_STCTRLH = (uint16_t)(WDOG_STCTRLH & ~STCTRLH_WDOGEN);
}

uint32_t tg_clock_core_hz(void) {
    return TG_CPU_CLOCK_HZ;
}

uint32_t tg_clock_bus_hz(uint32_t bus) {
    (void)bus;
    return TG_CPU_CLOCK_HZ;
}
