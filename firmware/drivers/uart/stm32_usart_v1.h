/*
 * The first USART of STM32s ("v1": SR, DR, BRR), whatever the GPIO. Source: RM0090 rev 19, 30.6;
 * the same registers in RM0008, chapter 27.
 */
#ifndef TG_STM32_USART_V1_H
#define TG_STM32_USART_V1_H

#include "tg/clock.h"
#include "tg/register.h"
#include "tg/uart.h"
#include "tg_board.h"

#define USART_SR TG_REGISTER(TG_UART_BASE + 0x00u)
#define USART_DR TG_REGISTER(TG_UART_BASE + 0x04u)
#define USART_BRR TG_REGISTER(TG_UART_BASE + 0x08u)
#define USART_CR1 TG_REGISTER(TG_UART_BASE + 0x0Cu)

#define USART_SR_TC (1u << 6)
#define USART_SR_TXE (1u << 7)
#define USART_CR1_TE (1u << 3)
#define USART_CR1_UE (1u << 13)

static inline void stm32_start_usart(void) {
    const uint32_t bus_hz = tg_clock_bus_hz(TG_UART_BUS);
    USART_CR1 = 0u;
    USART_BRR = (bus_hz + TG_UART_BAUD / 2u) / TG_UART_BAUD; /* oversampling by 16 */
    USART_CR1 = USART_CR1_UE | USART_CR1_TE;
}

void tg_uart_send(uint8_t byte) {
    (void)tg_wait_for(&USART_SR, USART_SR_TXE, USART_SR_TXE);
    USART_DR = byte;
}

void tg_uart_flush(void) {
    (void)tg_wait_for(&USART_SR, USART_SR_TC, USART_SR_TC);
}

#endif
