/*
 * What the validation main needs of the probe. The plain validation firmware links profile_none.c,
 * the profile firmware profile.c.
 */
#ifndef TG_PROFILE_H
#define TG_PROFILE_H

#include <stdint.h>

#include "tg/ticks.h"

/* Before the first vector; finds out what a probe itself costs. */
void tg_profile_start(const struct tg_ticks *ticks);

/* Just before and just after the inference of vector `index`. */
void tg_profile_begin(uint32_t index);

/* Ticks spent in probes since tg_profile_begin(). */
uint32_t tg_profile_end(void);

#endif
