/*
 * The TX pin of an nRF51 or nRF52, which must be an output that idles high while the UART is off.
 * Source: nRF51 Series Reference Manual 3.0, 14.3 and 29.5; nRF52840 Product
 * Specification 1.7, 6.9.
 */
#ifndef TG_NRF_PIN_H
#define TG_NRF_PIN_H

#include "tg/register.h"
#include "tg_board.h"

#define GPIO_OUTSET TG_REGISTER(0x50000508u)
#define GPIO_DIRSET TG_REGISTER(0x50000518u)

static inline void nrf_prepare_tx(void) {
    GPIO_OUTSET = 1u << TG_UART_TX_PIN;
    GPIO_DIRSET = 1u << TG_UART_TX_PIN;
}

#endif
