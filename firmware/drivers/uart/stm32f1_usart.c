/*
 * USART of STM32F1 with its GPIO ("v1": CRL, CRH). Source: RM0008 rev 21, 9.2 (GPIO) and 7.3 (RCC).
 *
 * @setting base           address of the USART
 * @setting bus            1 for APB1, 2 for APB2
 * @setting enable_reg     address of the RCC register with the USART's clock enable
 * @setting enable_bit     its bit
 * @setting gpio_base      address of the port with the TX pin
 * @setting gpio_enable_reg  address of the RCC register with the port's clock enable
 * @setting gpio_enable_bit  its bit
 * @setting tx_pin         number of the TX pin; one with its default function, no remapping
 *
 * @model send base+0x04
 * @model read base+0x00 0xC0
 */
#include "stm32_usart_v1.h"

#define GPIO_CR TG_REGISTER(TG_UART_GPIO_BASE + 4u * (TG_UART_TX_PIN / 8u))
#define MODE_SHIFT (4u * (TG_UART_TX_PIN % 8u))
#define MODE_ALTERNATE_10MHZ 0x9u /* push-pull */

void tg_uart_init(void) {
    TG_REGISTER(TG_UART_GPIO_ENABLE_REG) |= 1u << TG_UART_GPIO_ENABLE_BIT;
    TG_REGISTER(TG_UART_ENABLE_REG) |= 1u << TG_UART_ENABLE_BIT;
    (void)TG_REGISTER(TG_UART_ENABLE_REG);
    GPIO_CR = (GPIO_CR & ~(0xFu << MODE_SHIFT)) | (MODE_ALTERNATE_10MHZ << MODE_SHIFT);
    stm32_start_usart();
}
