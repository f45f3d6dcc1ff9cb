/*
 * FE310 on its 16 MHz crystal, PLL bypassed. Source: SiFive FE310-G002 Manual v1p1, chapter 6.
 *
 * @setting crystal_hz  frequency of the crystal
 */
#include "tg/clock.h"
#include "tg/register.h"
#include "tg_board.h"

#define PRCI_HFXOSCCFG TG_REGISTER(0x10008004u)
#define PRCI_PLLCFG TG_REGISTER(0x10008008u)
#define HFXOSCCFG_ENABLE (1u << 30)
#define HFXOSCCFG_READY (1u << 31)
#define PLLCFG_SELECT (1u << 16)
#define PLLCFG_REFERENCE_HFXOSC (1u << 17)
#define PLLCFG_BYPASS (1u << 18)

#define HFROSC_HZ 13800000u /* 6.3: about, after reset */

_Static_assert(TG_CLOCK_CRYSTAL_HZ == TG_CPU_CLOCK_HZ, "the core runs with the crystal's clock");

static uint32_t core_hz = HFROSC_HZ;

void tg_clock_init(void) {
    PRCI_HFXOSCCFG |= HFXOSCCFG_ENABLE;
    if (tg_wait_for(&PRCI_HFXOSCCFG, HFXOSCCFG_READY, HFXOSCCFG_READY)) {
        PRCI_PLLCFG |= PLLCFG_REFERENCE_HFXOSC | PLLCFG_BYPASS;
        PRCI_PLLCFG |= PLLCFG_SELECT;
        core_hz = TG_CLOCK_CRYSTAL_HZ;
    }
}

uint32_t tg_clock_core_hz(void) {
    return core_hz;
}

uint32_t tg_clock_bus_hz(uint32_t bus) {
    (void)bus;
    return core_hz;
}
