#include "uart.h"

/* CMSDK APB UART; Arm DDI 0479D, 4.3. */
typedef struct {
    volatile uint32_t data, state, control, interrupts, divider;
} cmsdk_uart_t;

#define UART0 ((cmsdk_uart_t *)0x40004000u)
#define STATE_TX_FULL 1u
#define CONTROL_TX_ENABLE 1u
#define CLOCK_HZ 25000000u
#define BAUD 115200u

void uart_init(void) {
    UART0->divider = CLOCK_HZ / BAUD;
    UART0->control = CONTROL_TX_ENABLE;
}

static void send(char character) {
    while ((UART0->state & STATE_TX_FULL) != 0u) {
    }
    UART0->data = (uint8_t)character;
}

void uart_text(const char *text) {
    while (*text != '\0') {
        send(*text++);
    }
}

void uart_hex(uint8_t byte) {
    static const char digits[] = "0123456789abcdef";
    send(digits[byte >> 4]);
    send(digits[byte & 15u]);
}
