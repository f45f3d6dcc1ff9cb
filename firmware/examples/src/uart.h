/* The first UART of Arm's MPS2 boards. */
#ifndef UART_H
#define UART_H

#include <stdint.h>

void uart_init(void);
void uart_text(const char *text);
void uart_hex(uint8_t byte);

#endif /* UART_H */
