/*
 * UART of Arm's Cortex-M System Design Kit, as on MPS2 and MPS3. Source: DDI 0479D, 4.3. The
 * boards' pins need no set-up.
 *
 * @setting base  address of the UART
 * @setting bus   number of its clock
 *
 * @model send base+0x00
 */
#include "tg/clock.h"
#include "tg/register.h"
#include "tg/uart.h"
#include "tg_board.h"

#define UART_DATA TG_REGISTER(TG_UART_BASE + 0x00u)
#define UART_STATE TG_REGISTER(TG_UART_BASE + 0x04u)
#define UART_CTRL TG_REGISTER(TG_UART_BASE + 0x08u)
#define UART_BAUDDIV TG_REGISTER(TG_UART_BASE + 0x10u)
#define STATE_TX_FULL 1u
#define CTRL_TX_ENABLE 1u

void tg_uart_init(void) {
    UART_BAUDDIV = tg_clock_bus_hz(TG_UART_BUS) / TG_UART_BAUD; /* at least 16 */
    UART_CTRL = CTRL_TX_ENABLE;
}

void tg_uart_send(uint8_t byte) {
    (void)tg_wait_for(&UART_STATE, STATE_TX_FULL, 0u);
    UART_DATA = byte;
}

void tg_uart_flush(void) {
    (void)tg_wait_for(&UART_STATE, STATE_TX_FULL, 0u);
}
