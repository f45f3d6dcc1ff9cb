/*
 * UART of Kinetis K with its port. Source: K64 Sub-Family Reference Manual (K64P144M120SF5RM rev
 * 4), chapters 11 (PORT), 12 (SIM) and 52 (UART).
 *
 * @setting base             address of the UART
 * @setting bus              number of its clock: UART0 and UART1 run with the core's
 * @setting enable_reg       address of the SIM register with the UART's clock gate
 * @setting enable_bit       its bit
 * @setting port_enable_reg  address of the SIM register with the port's clock gate
 * @setting port_enable_bit  its bit
 * @setting pin_control_reg  address of the TX pin's PORTx_PCRn
 * @setting tx_mux           the pin's function
 *
 * @model send base+0x07
 * @model read base+0x04 0xC0
 */
#include "tg/clock.h"
#include "tg/register.h"
#include "tg/uart.h"
#include "tg_board.h"

#define BYTE_REGISTER(offset) (*(volatile uint8_t *)(uintptr_t)(TG_UART_BASE + (offset)))
#define UART_BDH BYTE_REGISTER(0x0u)
#define UART_BDL BYTE_REGISTER(0x1u)
#define UART_C1 BYTE_REGISTER(0x2u)
#define UART_C2 BYTE_REGISTER(0x3u)
#define UART_S1 BYTE_REGISTER(0x4u)
#define UART_D BYTE_REGISTER(0x7u)
#define UART_C4 BYTE_REGISTER(0xAu)
#define UART_C2_TE (1u << 3)
#define UART_S1_TC (1u << 6)
#define UART_S1_TDRE (1u << 7)

static void wait_for(uint32_t flag) {
    for (uint32_t i = 0; i < TG_POLLS && (UART_S1 & flag) == 0u; ++i) {
    }
}

/* baud = clock / (16 * (SBR + BRFA / 32)), 52.5.4. */
void tg_uart_init(void) {
    const uint32_t divisor32 =
        (2u * tg_clock_bus_hz(TG_UART_BUS) + TG_UART_BAUD / 2u) / TG_UART_BAUD;
    TG_REGISTER(TG_UART_ENABLE_REG) |= 1u << TG_UART_ENABLE_BIT;
    TG_REGISTER(TG_UART_PORT_ENABLE_REG) |= 1u << TG_UART_PORT_ENABLE_BIT;
    TG_REGISTER(TG_UART_PIN_CONTROL_REG) = TG_UART_TX_MUX << 8;
    UART_C2 = 0u;
    UART_C1 = 0u;
    UART_BDH = (uint8_t)((divisor32 >> 13) & 0x1Fu);
    UART_BDL = (uint8_t)(divisor32 >> 5);
    UART_C4 = (uint8_t)(divisor32 & 0x1Fu);
    UART_C2 = UART_C2_TE;
}

void tg_uart_send(uint8_t byte) {
    wait_for(UART_S1_TDRE);
    UART_D = byte;
}

void tg_uart_flush(void) {
    wait_for(UART_S1_TC);
}
