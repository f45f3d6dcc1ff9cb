/*
 * The second USART of STM32s ("v2": ISR, TDR): F0, F3, F7, G0, G4, H7, L0, L4. Source: RM0351 rev
 * 9, 40.8; the same registers in RM0385, RM0433, RM0367 and RM0444.
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
 * @model send base+0x28
 * @model read base+0x1C 0xC0
 */
#include "stm32_gpio.h"
#include "tg/clock.h"
#include "tg/uart.h"

#define USART_CR1 TG_REGISTER(TG_UART_BASE + 0x00u)
#define USART_BRR TG_REGISTER(TG_UART_BASE + 0x0Cu)
#define USART_ISR TG_REGISTER(TG_UART_BASE + 0x1Cu)
#define USART_TDR TG_REGISTER(TG_UART_BASE + 0x28u)

#define USART_CR1_UE (1u << 0)
#define USART_CR1_TE (1u << 3)
#define USART_ISR_TC (1u << 6)
#define USART_ISR_TXE (1u << 7)

void tg_uart_init(void) {
    const uint32_t bus_hz = tg_clock_bus_hz(TG_UART_BUS);
    stm32_connect_tx();
    USART_CR1 = 0u; /* BRR can be written only while UE is 0 */
    USART_BRR = (bus_hz + TG_UART_BAUD / 2u) / TG_UART_BAUD; /* oversampling by 16 */
    USART_CR1 = USART_CR1_UE | USART_CR1_TE;
}

void tg_uart_send(uint8_t byte) {
    (void)tg_wait_for(&USART_ISR, USART_ISR_TXE, USART_ISR_TXE);
    USART_TDR = byte;
}

void tg_uart_flush(void) {
    (void)tg_wait_for(&USART_ISR, USART_ISR_TC, USART_ISR_TC);
}
