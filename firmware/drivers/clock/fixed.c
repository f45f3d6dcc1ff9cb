/*
 * A clock that runs by itself: emulated boards, and chips whose reset clock is good enough.
 * All buses run with the core's clock, the board file's clock_hz.
 */
#include "tg/clock.h"
#include "tg_board.h"

void tg_clock_init(void) {
}

uint32_t tg_clock_core_hz(void) {
    return TG_CPU_CLOCK_HZ;
}

uint32_t tg_clock_bus_hz(uint32_t bus) {
    (void)bus;
    return TG_CPU_CLOCK_HZ;
}
