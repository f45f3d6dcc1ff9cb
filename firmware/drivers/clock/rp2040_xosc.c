/*
 * RP2040 on its crystal: clk_ref, clk_sys and clk_peri run with it. Source: RP2040
 * datasheet, 2.15.7 (clocks) and 2.16.7 (XOSC).
 *
 * @setting crystal_hz  frequency of the crystal, 1 to 15 MHz
 */
#include "tg/clock.h"
#include "tg/register.h"
#include "tg_board.h"

#define XOSC_CTRL TG_REGISTER(0x40024000u)
#define XOSC_STATUS TG_REGISTER(0x40024004u)
#define XOSC_STARTUP TG_REGISTER(0x4002400Cu)
#define CLK_REF_CTRL TG_REGISTER(0x40008030u)
#define CLK_REF_SELECTED TG_REGISTER(0x40008038u)
#define CLK_SYS_CTRL TG_REGISTER(0x4000803Cu)
#define CLK_PERI_CTRL TG_REGISTER(0x40008048u)

#define XOSC_CTRL_ENABLE_1_15MHZ 0xFABAA0u
#define XOSC_STATUS_STABLE (1u << 31)
#define CLK_REF_SRC_XOSC 2u
#define CLK_REF_SELECTED_XOSC (1u << 2)
#define CLK_SYS_SRC_REF 0u
#define CLK_PERI_ENABLE_FROM_SYS (1u << 11)
/* 2.16.3: 1 ms, in units of 256 crystal cycles. */
#define STARTUP_DELAY ((TG_CLOCK_CRYSTAL_HZ / 1000u + 128u) / 256u)

#define ROSC_HZ 6500000u /* 2.17: nominal, after reset */

_Static_assert(TG_CLOCK_CRYSTAL_HZ == TG_CPU_CLOCK_HZ, "the core runs with the crystal's clock");

static uint32_t core_hz = ROSC_HZ;

void tg_clock_init(void) {
    XOSC_STARTUP = STARTUP_DELAY;
    XOSC_CTRL = XOSC_CTRL_ENABLE_1_15MHZ;
    if (tg_wait_for(&XOSC_STATUS, XOSC_STATUS_STABLE, XOSC_STATUS_STABLE)) {
        CLK_REF_CTRL = CLK_REF_SRC_XOSC;
        if (tg_wait_for(&CLK_REF_SELECTED, CLK_REF_SELECTED_XOSC, CLK_REF_SELECTED_XOSC)) {
            CLK_SYS_CTRL = CLK_SYS_SRC_REF;
            core_hz = TG_CLOCK_CRYSTAL_HZ;
        }
    }
    CLK_PERI_CTRL = CLK_PERI_ENABLE_FROM_SYS;
}

uint32_t tg_clock_core_hz(void) {
    return core_hz;
}

uint32_t tg_clock_bus_hz(uint32_t bus) {
    (void)bus;
    return core_hz;
}
