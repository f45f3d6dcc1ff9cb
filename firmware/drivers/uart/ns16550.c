/*
 * UART of the 16550 family with byte-wide registers, one after the other. Source: National
 * Semiconductor PC16550D datasheet, 8.0. Pins are the board's own business.
 *
 * @setting base  address of the UART
 * @setting bus   number of its clock
 */
#include "tg/clock.h"
#include "tg/register.h"
#include "tg/uart.h"
#include "tg_board.h"

#define REGISTER(offset) (*(volatile uint8_t *)(uintptr_t)(TG_UART_BASE + (offset)))
#define UART_THR REGISTER(0u)
#define UART_DLL REGISTER(0u)
#define UART_DLM REGISTER(1u)
#define UART_FCR REGISTER(2u)
#define UART_LCR REGISTER(3u)
#define UART_LSR REGISTER(5u)

#define FCR_ENABLE_AND_CLEAR 7u
#define LCR_8_BITS 3u
#define LCR_DIVISOR_ACCESS (1u << 7)
#define LSR_THR_EMPTY (1u << 5)
#define LSR_IDLE (1u << 6)

static void wait_for(uint32_t flag) {
    for (uint32_t i = 0; i < TG_POLLS && (UART_LSR & flag) == 0u; ++i) {
    }
}

void tg_uart_init(void) {
    const uint32_t divisor =
        (tg_clock_bus_hz(TG_UART_BUS) + 8u * TG_UART_BAUD) / (16u * TG_UART_BAUD);
    UART_LCR = LCR_DIVISOR_ACCESS;
    UART_DLL = (uint8_t)divisor;
    UART_DLM = (uint8_t)(divisor >> 8);
    UART_LCR = LCR_8_BITS;
    UART_FCR = FCR_ENABLE_AND_CLEAR;
}

void tg_uart_send(uint8_t byte) {
    wait_for(LSR_THR_EMPTY);
    UART_THR = byte;
}

void tg_uart_flush(void) {
    wait_for(LSR_IDLE);
}
