/*
 * The clock tree. A driver in firmware/drivers/clock/ implements it from the TG_CLOCK_* settings
 * that the board file gives. The functions tell the clocks that are really running: where an
 * oscillator does not start (an emulator without a model of it, a broken crystal), that is the
 * reset clock.
 */
#ifndef TG_CLOCK_H
#define TG_CLOCK_H

#include <stdint.h>

/* Starts the clocks that the board file asks for. Returns after a bounded time, whatever happens.
 */
void tg_clock_init(void);

/* The core's clock in hertz. */
uint32_t tg_clock_core_hz(void);

/* The clock in hertz of the peripheral bus with the manufacturer's number `bus`. */
uint32_t tg_clock_bus_hz(uint32_t bus);

#endif
