/*
 * The board's UART, sending only. A driver in firmware/drivers/uart/ implements both functions from
 * the TG_UART_* settings that the board file gives.
 */
#ifndef TG_UART_H
#define TG_UART_H

#include <stdint.h>

/* Sets pins, divisor and transmitter up. May be called again at any time, from a fault handler too.
 */
void tg_uart_init(void);

/* Sends one byte; waits while the transmitter is busy. */
void tg_uart_send(uint8_t byte);

/* Waits until the last byte has left the pin, so that a halt does not cut it off. */
void tg_uart_flush(void);

#endif
