/*
 * USART of STM32F2, F4 and L1 ("v1": SR, DR, BRR) with their GPIO ("v2": MODER, AFR).
 *
 * @setting base           address of the USART
 * @setting bus            1 for APB1, 2 for APB2
 * @setting enable_reg     address of the RCC register with the USART's clock enable
 * @setting enable_bit     its bit
 * @setting gpio_base      address of the port with the TX pin
 * @setting gpio_enable_reg  address of the RCC register with the port's clock enable
 * @setting gpio_enable_bit  its bit
 * @setting tx_pin         number of the TX pin
 * @setting tx_af          its alternate function
 *
 * @model send base+0x04
 * @model read base+0x00 0xC0
 */
#include "stm32_usart_v1.h"

#include "stm32_gpio.h"

void tg_uart_init(void) {
    stm32_connect_tx();
    stm32_start_usart();
}
