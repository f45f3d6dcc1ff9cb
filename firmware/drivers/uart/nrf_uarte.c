/*
 * UART of nRF52 with EasyDMA, which reads from RAM only. Source: nRF52840 Product
 * Specification 1.7, 6.34.
 *
 * @setting base      address of the UARTE
 * @setting baudrate  BAUDRATE register for the board's baud (6.34.9.27)
 * @setting tx_pin    number of the TX pin of port 0
 *
 * @model send_from base+0x544 base+0x008
 * @model read base+0x120 0x01
 */
#include "nrf_pin.h"
#include "tg/uart.h"

#define UARTE_STARTTX TG_REGISTER(TG_UART_BASE + 0x008u)
#define UARTE_ENDTX TG_REGISTER(TG_UART_BASE + 0x120u)
#define UARTE_ENABLE TG_REGISTER(TG_UART_BASE + 0x500u)
#define UARTE_PSEL_TXD TG_REGISTER(TG_UART_BASE + 0x50Cu)
#define UARTE_BAUDRATE TG_REGISTER(TG_UART_BASE + 0x524u)
#define UARTE_TXD_PTR TG_REGISTER(TG_UART_BASE + 0x544u)
#define UARTE_TXD_MAXCNT TG_REGISTER(TG_UART_BASE + 0x548u)
#define ENABLE_UARTE 8u

static volatile uint8_t buffer;

void tg_uart_init(void) {
    nrf_prepare_tx();
    UARTE_ENABLE = 0u;
    UARTE_PSEL_TXD = TG_UART_TX_PIN;
    UARTE_BAUDRATE = TG_UART_BAUDRATE;
    UARTE_ENABLE = ENABLE_UARTE;
}

/* The event says that the byte has left, so there is nothing to flush. */
void tg_uart_send(uint8_t byte) {
    buffer = byte;
    UARTE_TXD_PTR = (uint32_t)(uintptr_t)&buffer;
    UARTE_TXD_MAXCNT = 1u;
    UARTE_ENDTX = 0u;
    UARTE_STARTTX = 1u;
    (void)tg_wait_for(&UARTE_ENDTX, 1u, 1u);
}

void tg_uart_flush(void) {
}
