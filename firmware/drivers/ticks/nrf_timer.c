/*
 * TIMER0 of nRF51 and nRF52: 32 bits wide at 16 MHz. nRF51 has no SysTick. Source: nRF51 Series
 * Reference Manual 3.0, chapter 18; nRF52840 Product Specification 1.7, 6.30.
 *
 * @setting base  address of the timer
 *
 * @model count base+0x540
 */
#include "tg/register.h"
#include "tg/ticks.h"
#include "tg_board.h"

#define TIMER_START TG_REGISTER(TG_TICKS_NRF_TIMER_BASE + 0x000u)
#define TIMER_STOP TG_REGISTER(TG_TICKS_NRF_TIMER_BASE + 0x004u)
#define TIMER_CLEAR TG_REGISTER(TG_TICKS_NRF_TIMER_BASE + 0x00Cu)
#define TIMER_CAPTURE0 TG_REGISTER(TG_TICKS_NRF_TIMER_BASE + 0x040u)
#define TIMER_MODE TG_REGISTER(TG_TICKS_NRF_TIMER_BASE + 0x504u)
#define TIMER_BITMODE TG_REGISTER(TG_TICKS_NRF_TIMER_BASE + 0x508u)
#define TIMER_PRESCALER TG_REGISTER(TG_TICKS_NRF_TIMER_BASE + 0x510u)
#define TIMER_CC0 TG_REGISTER(TG_TICKS_NRF_TIMER_BASE + 0x540u)
#define BITMODE_32 3u

extern const struct tg_ticks tg_ticks_nrf_timer;

static void start(void) {
    TIMER_STOP = 1u;
    TIMER_MODE = 0u;
    TIMER_BITMODE = BITMODE_32;
    TIMER_PRESCALER = 0u;
    TIMER_CLEAR = 1u;
    TIMER_START = 1u;
}

static uint32_t read(void) {
    TIMER_CAPTURE0 = 1u;
    return TIMER_CC0;
}

static uint32_t hz(void) {
    return 16000000u;
}

const struct tg_ticks tg_ticks_nrf_timer = {"nrf_timer", start, read, hz};
