/*
 * A free-running 32-bit counter to measure an inference with. A board file names one or more
 * drivers in firmware/drivers/ticks/, the best one first; the first that really counts is used, so
 * that one image serves a chip (cycle counter) and an emulator that lacks it (a timer).
 */
#ifndef TG_TICKS_H
#define TG_TICKS_H

#include <stdint.h>

struct tg_ticks {
    const char *name;
    void (*start)(void);
    uint32_t (*read)(void); /* wraps at 2^32; differences are taken modulo that */
    uint32_t (*hz)(void);   /* nominal frequency; an emulator's may differ */
};

/* The board's drivers in order of preference, ended by NULL; rendered from the board file. */
extern const struct tg_ticks *const tg_ticks_drivers[];

/* Starts the first driver that counts and returns it; NULL if none does. */
const struct tg_ticks *tg_ticks_start(void);

#endif
