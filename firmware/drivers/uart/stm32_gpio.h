/*
 * A pin's alternate function on STM32's second GPIO (all families but F1), from the board's
 * TG_UART_* settings. Source: RM0090 rev 19, 8.4; the same registers in RM0385, RM0433, RM0351,
 * RM0367 and RM0444.
 */
#ifndef TG_STM32_GPIO_H
#define TG_STM32_GPIO_H

#include "tg/register.h"
#include "tg_board.h"

#define GPIO_MODER TG_REGISTER(TG_UART_GPIO_BASE + 0x00u)
#define GPIO_AFR TG_REGISTER(TG_UART_GPIO_BASE + 0x20u + 4u * (TG_UART_TX_PIN / 8u))
#define MODE_SHIFT (2u * TG_UART_TX_PIN)
#define AF_SHIFT (4u * (TG_UART_TX_PIN % 8u))

/* Clocks of port and USART on, pin to the USART. A clock works two bus cycles after it is enabled
 * (ES0182): the registers are read back. */
static inline void stm32_connect_tx(void) {
    TG_REGISTER(TG_UART_GPIO_ENABLE_REG) |= 1u << TG_UART_GPIO_ENABLE_BIT;
    TG_REGISTER(TG_UART_ENABLE_REG) |= 1u << TG_UART_ENABLE_BIT;
    (void)TG_REGISTER(TG_UART_ENABLE_REG);
    GPIO_AFR = (GPIO_AFR & ~(0xFu << AF_SHIFT)) | (TG_UART_TX_AF << AF_SHIFT);
    GPIO_MODER = (GPIO_MODER & ~(3u << MODE_SHIFT)) | (2u << MODE_SHIFT);
}

#endif
