/*
 * SYSTIMER of ESP32-C3, 16 MHz; the core has no standard cycle counter. Source: ESP32-C3 Technical
 * Reference Manual v1.1, 10.6. Unit 0 runs after reset.
 */
#include "tg/register.h"
#include "tg/ticks.h"

#define SYSTIMER_UNIT0_OP TG_REGISTER(0x60023004u)
#define SYSTIMER_UNIT0_VALUE_LO TG_REGISTER(0x60023044u)
#define UNIT0_OP_VALID (1u << 29)
#define UNIT0_OP_UPDATE (1u << 30)

extern const struct tg_ticks tg_ticks_esp32c3_systimer;

static void start(void) {
}

static uint32_t read(void) {
    SYSTIMER_UNIT0_OP = UNIT0_OP_UPDATE;
    (void)tg_wait_for(&SYSTIMER_UNIT0_OP, UNIT0_OP_VALID, UNIT0_OP_VALID);
    return SYSTIMER_UNIT0_VALUE_LO;
}

static uint32_t hz(void) {
    return 16000000u;
}

const struct tg_ticks tg_ticks_esp32c3_systimer = {"esp32c3_systimer", start, read, hz};
