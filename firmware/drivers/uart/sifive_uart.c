/*
 * UART of SiFive's chips with its pin. Source: SiFive FE310-G002 Manual v1p1, chapters 17 (GPIO)
 * and 18 (UART).
 *
 * @setting base       address of the UART
 * @setting bus        number of its clock, tlclk
 * @setting gpio_base  address of the GPIO
 * @setting tx_pin     number of the TX pin, one whose first hardware function is the UART's
 */
#include "tg/clock.h"
#include "tg/register.h"
#include "tg/uart.h"
#include "tg_board.h"

#define UART_TXDATA TG_REGISTER(TG_UART_BASE + 0x00u)
#define UART_TXCTRL TG_REGISTER(TG_UART_BASE + 0x08u)
#define UART_IP TG_REGISTER(TG_UART_BASE + 0x14u)
#define UART_DIV TG_REGISTER(TG_UART_BASE + 0x18u)
#define GPIO_IOF_EN TG_REGISTER(TG_UART_GPIO_BASE + 0x38u)
#define GPIO_IOF_SEL TG_REGISTER(TG_UART_GPIO_BASE + 0x3Cu)

#define TXDATA_FULL (1u << 31)
#define TXCTRL_ENABLE_WATERMARK_1 ((1u << 16) | 1u)
#define IP_TX_BELOW_WATERMARK 1u

void tg_uart_init(void) {
    GPIO_IOF_SEL &= ~(1u << TG_UART_TX_PIN);
    GPIO_IOF_EN |= 1u << TG_UART_TX_PIN;
    UART_DIV = (tg_clock_bus_hz(TG_UART_BUS) + TG_UART_BAUD / 2u) / TG_UART_BAUD - 1u;
    UART_TXCTRL = TXCTRL_ENABLE_WATERMARK_1;
}

void tg_uart_send(uint8_t byte) {
    (void)tg_wait_for(&UART_TXDATA, TXDATA_FULL, 0u);
    UART_TXDATA = byte;
}

/* Pending when the FIFO is empty; the shift register's last byte can't be seen, but takes less than
 * what a halt waits. */
void tg_uart_flush(void) {
    (void)tg_wait_for(&UART_IP, IP_TX_BELOW_WATERMARK, IP_TX_BELOW_WATERMARK);
}
