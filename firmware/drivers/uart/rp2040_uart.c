/*
 * UART of RP2040, Arm's PL011, with its resets and pins. Source: RP2040 datasheet, 2.14 (resets),
 * 2.19.6 (GPIO) and 4.2.8 (UART).
 *
 * @setting base       address of the UART
 * @setting bus        number of its clock, clk_peri
 * @setting reset_bit  its bit in RESETS
 * @setting tx_pin     number of the TX pin, one with function 2
 *
 * @model send base+0x00
 */
#include "tg/clock.h"
#include "tg/register.h"
#include "tg/uart.h"
#include "tg_board.h"

#define RESETS_RESET TG_REGISTER(0x4000C000u)
#define RESETS_RESET_DONE TG_REGISTER(0x4000C008u)
#define IO_BANK0_CTRL TG_REGISTER(0x40014004u + 8u * TG_UART_TX_PIN)
#define UART_DR TG_REGISTER(TG_UART_BASE + 0x00u)
#define UART_FR TG_REGISTER(TG_UART_BASE + 0x18u)
#define UART_IBRD TG_REGISTER(TG_UART_BASE + 0x24u)
#define UART_FBRD TG_REGISTER(TG_UART_BASE + 0x28u)
#define UART_LCR_H TG_REGISTER(TG_UART_BASE + 0x2Cu)
#define UART_CR TG_REGISTER(TG_UART_BASE + 0x30u)

#define RESETS_IO_BANK0 (1u << 5)
#define RESETS_PADS_BANK0 (1u << 8)
#define FUNCTION_UART 2u
#define UART_FR_BUSY (1u << 3)
#define UART_FR_TXFF (1u << 5)
#define UART_LCR_H_8_BITS_FIFO ((3u << 5) | (1u << 4))
#define UART_CR_ENABLE_TX ((1u << 0) | (1u << 8))

void tg_uart_init(void) {
    const uint32_t wanted = RESETS_IO_BANK0 | RESETS_PADS_BANK0 | (1u << TG_UART_RESET_BIT);
    const uint32_t divisor64 =
        (8u * tg_clock_bus_hz(TG_UART_BUS) / TG_UART_BAUD + 1u) / 2u; /* 4.2.7.1 */
    RESETS_RESET &= ~wanted;
    (void)tg_wait_for(&RESETS_RESET_DONE, wanted, wanted);
    IO_BANK0_CTRL = FUNCTION_UART;
    UART_CR = 0u;
    UART_IBRD = divisor64 >> 6;
    UART_FBRD = divisor64 & 0x3Fu;
    UART_LCR_H = UART_LCR_H_8_BITS_FIFO; /* takes the divisors over, too */
    UART_CR = UART_CR_ENABLE_TX;
}

void tg_uart_send(uint8_t byte) {
    (void)tg_wait_for(&UART_FR, UART_FR_TXFF, 0u);
    UART_DR = byte;
}

void tg_uart_flush(void) {
    (void)tg_wait_for(&UART_FR, UART_FR_BUSY, 0u);
}
