/*
 * SAM E70 on its reset clock, the 12 MHz RC oscillator, with the watchdog off, and pin PB4 freed
 * from the JTAG port. Source: SAM E70 datasheet DS60001527, 20.4.7 (MATRIX), 24.5 (WDT) and 31.4
 * (PMC).
 */
#include "tg/clock.h"
#include "tg/register.h"
#include "tg_board.h"

#define WDT_MR TG_REGISTER(0x400E1854u)
#define WDT_MR_WDDIS (1u << 15) /* can be written once after reset */
#define MATRIX_CCFG_SYSIO TG_REGISTER(0x40088114u)
#define SYSIO_PB4_IS_GPIO (1u << 4)

void tg_clock_init(void) {
    WDT_MR = WDT_MR_WDDIS;
    MATRIX_CCFG_SYSIO |= SYSIO_PB4_IS_GPIO;
}

uint32_t tg_clock_core_hz(void) {
    return TG_CPU_CLOCK_HZ;
}

uint32_t tg_clock_bus_hz(uint32_t bus) {
    (void)bus;
    return TG_CPU_CLOCK_HZ;
}
