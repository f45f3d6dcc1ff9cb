/*
 * UART of nRF51, byte by byte. Source: nRF51 Series Reference Manual 3.0, chapter 29.
 *
 * @setting base      address of the UART
 * @setting baudrate  BAUDRATE register for the board's baud (29.10.11)
 * @setting tx_pin    number of the TX pin of port 0
 *
 * @model send base+0x51C
 * @model read base+0x11C 0x01
 */
#include "nrf_pin.h"
#include "tg/uart.h"

#define UART_STARTTX TG_REGISTER(TG_UART_BASE + 0x008u)
#define UART_TXDRDY TG_REGISTER(TG_UART_BASE + 0x11Cu)
#define UART_ENABLE TG_REGISTER(TG_UART_BASE + 0x500u)
#define UART_PSELTXD TG_REGISTER(TG_UART_BASE + 0x50Cu)
#define UART_TXD TG_REGISTER(TG_UART_BASE + 0x51Cu)
#define UART_BAUDRATE TG_REGISTER(TG_UART_BASE + 0x524u)
#define ENABLE_UART 4u

void tg_uart_init(void) {
    nrf_prepare_tx();
    UART_PSELTXD = TG_UART_TX_PIN;
    UART_BAUDRATE = TG_UART_BAUDRATE;
    UART_ENABLE = ENABLE_UART;
    UART_STARTTX = 1u;
}

/* The event says that the byte has left, so there is nothing to flush. */
void tg_uart_send(uint8_t byte) {
    UART_TXDRDY = 0u;
    UART_TXD = byte;
    (void)tg_wait_for(&UART_TXDRDY, 1u, 1u);
}

void tg_uart_flush(void) {
}
