/*
 * Clock tree of STM32F405/407/415/417, F42x and F446: HSE -> PLL -> SYSCLK.
 * Source: RM0090 rev 19, chapters 3.5.1 (flash latency), 5.4.1 (PWR_CR) and 7.3 (RCC).
 *
 * @setting hse_hz       frequency of the crystal or the clock at OSC_IN
 * @setting hse_bypass   1 for a clock at OSC_IN, 0 for a crystal
 * @setting pll_m        divider before the PLL; hse_hz / pll_m must be 1 to 2 MHz
 * @setting pll_n        multiplier, 50 to 432
 * @setting pll_p        divider to SYSCLK: 2, 4, 6 or 8
 * @setting pll_q        divider to 48 MHz peripherals, 2 to 15
 * @setting apb1_divider 1, 2, 4, 8 or 16
 * @setting apb2_divider 1, 2, 4, 8 or 16
 * @setting flash_wait_states  at the resulting SYSCLK and the board's supply voltage
 */
#include "tg/clock.h"
#include "tg/register.h"
#include "tg_board.h"

#define RCC_CR TG_REGISTER(0x40023800u)
#define RCC_PLLCFGR TG_REGISTER(0x40023804u)
#define RCC_CFGR TG_REGISTER(0x40023808u)
#define RCC_APB1ENR TG_REGISTER(0x40023840u)
#define PWR_CR TG_REGISTER(0x40007000u)
#define FLASH_ACR TG_REGISTER(0x40023C00u)

#define RCC_CR_HSEON (1u << 16)
#define RCC_CR_HSEBYP (1u << 18)
#define RCC_CR_HSERDY (1u << 17)
#define RCC_CR_PLLON (1u << 24)
#define RCC_CR_PLLRDY (1u << 25)
#define RCC_PLLCFGR_SRC_HSE (1u << 22)
/* PLLM, PLLN, PLLP, PLLSRC, PLLQ; the others keep their reset values. */
#define RCC_PLLCFGR_OURS (0x3Fu | (0x1FFu << 6) | (3u << 16) | (1u << 22) | (0xFu << 24))
#define RCC_CFGR_SW_PLL 2u
#define RCC_CFGR_SWS_MASK (3u << 2)
#define RCC_CFGR_SWS_PLL (2u << 2)
#define RCC_APB1ENR_PWREN (1u << 28)
/* Bit 14 of F405/407; F42x has a second bit, which is set after reset. */
#define PWR_CR_VOS_SCALE_1 (1u << 14)
#define FLASH_ACR_CACHES (7u << 8) /* PRFTEN, ICEN, DCEN */

#define HSI_HZ 16000000u
#define PLL_HZ (TG_CLOCK_HSE_HZ / TG_CLOCK_PLL_M * TG_CLOCK_PLL_N / TG_CLOCK_PLL_P)

_Static_assert(PLL_HZ == TG_CPU_CLOCK_HZ, "the PLL's settings do not give the board's clock_hz");

static uint32_t core_hz = HSI_HZ;
static uint8_t running_from_pll;

/* PPREx: 0xx undivided, 100 by 2, 101 by 4, 110 by 8, 111 by 16. */
static uint32_t prescaler(uint32_t divider) {
    uint32_t bits = 0u;
    for (uint32_t d = divider; d > 1u; d >>= 1) {
        bits = bits == 0u ? 4u : bits + 1u;
    }
    return bits;
}

void tg_clock_init(void) {
    if (TG_CLOCK_HSE_BYPASS != 0u) {
        RCC_CR |= RCC_CR_HSEBYP; /* only while HSE is off */
    }
    RCC_CR |= RCC_CR_HSEON;
    if (!tg_wait_for(&RCC_CR, RCC_CR_HSERDY, RCC_CR_HSERDY)) {
        return;
    }
    RCC_APB1ENR |= RCC_APB1ENR_PWREN;
    (void)RCC_APB1ENR; /* the clock is there two bus cycles later */
    PWR_CR |= PWR_CR_VOS_SCALE_1;
    RCC_PLLCFGR = (RCC_PLLCFGR & ~RCC_PLLCFGR_OURS) | TG_CLOCK_PLL_M | (TG_CLOCK_PLL_N << 6) |
                  ((TG_CLOCK_PLL_P / 2u - 1u) << 16) | RCC_PLLCFGR_SRC_HSE | (TG_CLOCK_PLL_Q << 24);
    RCC_CR |= RCC_CR_PLLON;
    if (!tg_wait_for(&RCC_CR, RCC_CR_PLLRDY, RCC_CR_PLLRDY)) {
        return;
    }
    /* Slow the flash and the buses down before the core speeds up. */
    FLASH_ACR = FLASH_ACR_CACHES | TG_CLOCK_FLASH_WAIT_STATES;
    RCC_CFGR = (prescaler(TG_CLOCK_APB1_DIVIDER) << 10) | (prescaler(TG_CLOCK_APB2_DIVIDER) << 13);
    RCC_CFGR |= RCC_CFGR_SW_PLL;
    if (tg_wait_for(&RCC_CFGR, RCC_CFGR_SWS_MASK, RCC_CFGR_SWS_PLL)) {
        core_hz = PLL_HZ;
        running_from_pll = 1u;
    }
}

uint32_t tg_clock_core_hz(void) {
    return core_hz;
}

uint32_t tg_clock_bus_hz(uint32_t bus) {
    if (running_from_pll == 0u) {
        return core_hz;
    }
    return core_hz / (bus == 1u ? TG_CLOCK_APB1_DIVIDER : TG_CLOCK_APB2_DIVIDER);
}
