/*
 * USART of STM32F1, F2, F4 and L1 ("v1": SR, DR, BRR), with a GPIO of F2, F4, L1 ("v2": MODER,
 * AFR). Source: RM0090 rev 19, chapters 7.3.10 to 7.3.14 (clock enables), 8.4 (GPIO) and 30.6
 * (USART).
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
 */
#include "tg/clock.h"
#include "tg/uart.h"
#include "tg_board.h"

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define USART_SR REGISTER(TG_UART_BASE + 0x00u)
#define USART_DR REGISTER(TG_UART_BASE + 0x04u)
#define USART_BRR REGISTER(TG_UART_BASE + 0x08u)
#define USART_CR1 REGISTER(TG_UART_BASE + 0x0Cu)
#define GPIO_MODER REGISTER(TG_UART_GPIO_BASE + 0x00u)
#define GPIO_AFR REGISTER(TG_UART_GPIO_BASE + 0x20u + 4u * (TG_UART_TX_PIN / 8u))

#define USART_SR_TC (1u << 6)
#define USART_SR_TXE (1u << 7)
#define USART_CR1_TE (1u << 3)
#define USART_CR1_UE (1u << 13)

#define MODE_SHIFT (2u * TG_UART_TX_PIN)
#define AF_SHIFT (4u * (TG_UART_TX_PIN % 8u))

/* A byte at 9600 baud takes 1 ms; at 168 MHz this waits longer, and a dead UART can't hang us. */
#define POLLS 400000u

static void wait_for(uint32_t flag) {
    for (uint32_t i = 0; i < POLLS && (USART_SR & flag) == 0u; ++i) {
    }
}

void tg_uart_init(void) {
    const uint32_t bus_hz = tg_clock_bus_hz(TG_UART_BUS);
    REGISTER(TG_UART_GPIO_ENABLE_REG) |= 1u << TG_UART_GPIO_ENABLE_BIT;
    REGISTER(TG_UART_ENABLE_REG) |= 1u << TG_UART_ENABLE_BIT;
    (void)REGISTER(TG_UART_ENABLE_REG); /* works two bus clocks later (errata sheet ES0182) */
    GPIO_AFR = (GPIO_AFR & ~(0xFu << AF_SHIFT)) | (TG_UART_TX_AF << AF_SHIFT);
    GPIO_MODER = (GPIO_MODER & ~(3u << MODE_SHIFT)) | (2u << MODE_SHIFT);
    USART_CR1 = 0u;
    USART_BRR = (bus_hz + TG_UART_BAUD / 2u) / TG_UART_BAUD; /* oversampling by 16 */
    USART_CR1 = USART_CR1_UE | USART_CR1_TE;
}

void tg_uart_send(uint8_t byte) {
    wait_for(USART_SR_TXE);
    USART_DR = byte;
}

void tg_uart_flush(void) {
    wait_for(USART_SR_TC);
}
