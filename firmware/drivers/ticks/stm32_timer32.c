/*
 * A 32-bit general-purpose timer of an STM32 (TIM2, TIM5). QEMU's model ticks at 1 GHz whatever the
 * clock tree says, which under -icount shift=0 is once an instruction.
 * Source: RM0090 rev 19, chapters 7.2 (timer clocks) and 18.4.
 *
 * @setting base        address of the timer
 * @setting bus         1 for APB1, 2 for APB2
 * @setting enable_reg  address of the RCC register with the timer's clock enable
 * @setting enable_bit  its bit
 *
 * @model count base+0x24
 */
#include "tg/clock.h"
#include "tg/register.h"
#include "tg/ticks.h"
#include "tg_board.h"

#define TIM_CR1 TG_REGISTER(TG_TICKS_STM32_TIMER32_BASE + 0x00u)
#define TIM_EGR TG_REGISTER(TG_TICKS_STM32_TIMER32_BASE + 0x14u)
#define TIM_CNT TG_REGISTER(TG_TICKS_STM32_TIMER32_BASE + 0x24u)
#define TIM_PSC TG_REGISTER(TG_TICKS_STM32_TIMER32_BASE + 0x28u)
#define TIM_ARR TG_REGISTER(TG_TICKS_STM32_TIMER32_BASE + 0x2Cu)

extern const struct tg_ticks tg_ticks_stm32_timer32;

static void start(void) {
    TG_REGISTER(TG_TICKS_STM32_TIMER32_ENABLE_REG) |= 1u << TG_TICKS_STM32_TIMER32_ENABLE_BIT;
    (void)TG_REGISTER(TG_TICKS_STM32_TIMER32_ENABLE_REG);
    TIM_CR1 = 0u;
    TIM_PSC = 0u;
    TIM_ARR = 0xFFFFFFFFu;
    TIM_EGR = 1u; /* load both, count from 0 */
    TIM_CR1 = 1u;
}

static uint32_t read(void) {
    return TIM_CNT;
}

/* Timers run with twice their bus's clock unless that is undivided. */
static uint32_t hz(void) {
    const uint32_t bus_hz = tg_clock_bus_hz(TG_TICKS_STM32_TIMER32_BUS);
    return bus_hz == tg_clock_core_hz() ? bus_hz : 2u * bus_hz;
}

const struct tg_ticks tg_ticks_stm32_timer32 = {"stm32_timer32", start, read, hz};
