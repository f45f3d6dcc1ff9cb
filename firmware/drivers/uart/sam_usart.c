/*
 * USART of SAM4 and SAM E70/S70/V70 with its PIO. Source: SAM E70 datasheet DS60001527, chapters 31
 * (PMC), 32 (PIO) and 46 (USART).
 *
 * @setting base            address of the USART
 * @setting bus             number of its clock
 * @setting pmc_enable_reg  PMC_PCER0, peripherals 0 to 31
 * @setting peripheral_id   number of the USART, below 32
 * @setting pio_base        address of the PIO with the TX pin
 * @setting tx_pin          number of the TX pin
 * @setting tx_function     0 for A to 3 for D
 *
 * @model send base+0x1C
 * @model read base+0x14 0x202
 */
#include "tg/clock.h"
#include "tg/register.h"
#include "tg/uart.h"
#include "tg_board.h"

#define US_CR TG_REGISTER(TG_UART_BASE + 0x00u)
#define US_MR TG_REGISTER(TG_UART_BASE + 0x04u)
#define US_CSR TG_REGISTER(TG_UART_BASE + 0x14u)
#define US_THR TG_REGISTER(TG_UART_BASE + 0x1Cu)
#define US_BRGR TG_REGISTER(TG_UART_BASE + 0x20u)
#define PIO_PDR TG_REGISTER(TG_UART_PIO_BASE + 0x04u)
#define PIO_ABCDSR1 TG_REGISTER(TG_UART_PIO_BASE + 0x70u)
#define PIO_ABCDSR2 TG_REGISTER(TG_UART_PIO_BASE + 0x74u)

#define US_CR_RSTTX (1u << 3)
#define US_CR_TXEN (1u << 6)
#define US_CSR_TXRDY (1u << 1)
#define US_CSR_TXEMPTY (1u << 9)
#define US_MR_8N1 ((3u << 6) | (4u << 9))

static void select_function(volatile uint32_t *reg, uint32_t bit) {
    const uint32_t pin = 1u << TG_UART_TX_PIN;
    *reg = bit != 0u ? *reg | pin : *reg & ~pin;
}

void tg_uart_init(void) {
    const uint32_t bus_hz = tg_clock_bus_hz(TG_UART_BUS);
    TG_REGISTER(TG_UART_PMC_ENABLE_REG) = 1u << TG_UART_PERIPHERAL_ID;
    select_function(&PIO_ABCDSR1, TG_UART_TX_FUNCTION & 1u);
    select_function(&PIO_ABCDSR2, TG_UART_TX_FUNCTION & 2u);
    PIO_PDR = 1u << TG_UART_TX_PIN;
    US_CR = US_CR_RSTTX;
    US_MR = US_MR_8N1;
    US_BRGR = (bus_hz + 8u * TG_UART_BAUD) / (16u * TG_UART_BAUD);
    US_CR = US_CR_TXEN;
}

void tg_uart_send(uint8_t byte) {
    (void)tg_wait_for(&US_CSR, US_CSR_TXRDY, US_CSR_TXRDY);
    US_THR = byte;
}

void tg_uart_flush(void) {
    (void)tg_wait_for(&US_CSR, US_CSR_TXEMPTY, US_CSR_TXEMPTY);
}
