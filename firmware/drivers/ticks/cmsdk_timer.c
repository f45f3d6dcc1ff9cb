/*
 * Timer of Arm's Cortex-M System Design Kit, as on MPS2: 32 bits wide, counting down. Source: DDI
 * 0479D, 4.4.
 *
 * @setting base  address of the timer
 * @setting bus   number of its clock
 *
 * @model count_down base+0x04
 */
#include "tg/clock.h"
#include "tg/register.h"
#include "tg/ticks.h"
#include "tg_board.h"

#define TIMER_CTRL TG_REGISTER(TG_TICKS_CMSDK_TIMER_BASE + 0x0u)
#define TIMER_VALUE TG_REGISTER(TG_TICKS_CMSDK_TIMER_BASE + 0x4u)
#define TIMER_RELOAD TG_REGISTER(TG_TICKS_CMSDK_TIMER_BASE + 0x8u)

extern const struct tg_ticks tg_ticks_cmsdk_timer;

static void start(void) {
    TIMER_CTRL = 0u;
    TIMER_RELOAD = 0xFFFFFFFFu;
    TIMER_VALUE = 0xFFFFFFFFu;
    TIMER_CTRL = 1u;
}

static uint32_t read(void) {
    return ~TIMER_VALUE;
}

static uint32_t hz(void) {
    return tg_clock_bus_hz(TG_TICKS_CMSDK_TIMER_BUS);
}

const struct tg_ticks tg_ticks_cmsdk_timer = {"cmsdk_timer", start, read, hz};
