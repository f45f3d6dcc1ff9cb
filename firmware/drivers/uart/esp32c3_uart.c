/*
 * UART0 of ESP32-C3 as its ROM leaves it: pins connected, 115200 baud from the crystal. Source:
 * ESP32-C3 Technical Reference Manual v1.1, 26.5.
 *
 * @setting base  address of the UART
 */
#include "tg/register.h"
#include "tg/uart.h"
#include "tg_board.h"

#define UART_FIFO TG_REGISTER(TG_UART_BASE + 0x00u)
#define UART_STATUS TG_REGISTER(TG_UART_BASE + 0x1Cu)
#define STATUS_TX_COUNT (0x3FFu << 16)
#define STATUS_TX_128 (1u << 23) /* the FIFO is full */

_Static_assert(TG_UART_BAUD == 115200u, "the ROM sets 115200 baud, and nothing else");

void tg_uart_init(void) {
}

void tg_uart_send(uint8_t byte) {
    (void)tg_wait_for(&UART_STATUS, STATUS_TX_128, 0u);
    UART_FIFO = byte;
}

void tg_uart_flush(void) {
    (void)tg_wait_for(&UART_STATUS, STATUS_TX_COUNT, 0u);
}
