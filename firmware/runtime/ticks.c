#include "tg/ticks.h"

#include <stddef.h>

/* Counts are read this many times before a driver is given up; the slowest timer ticks within it.
 */
#define TRIES 1000u

const struct tg_ticks *tg_ticks_start(void) {
    for (const struct tg_ticks *const *driver = tg_ticks_drivers; *driver != NULL; ++driver) {
        (*driver)->start();
        const uint32_t first = (*driver)->read();
        for (uint32_t i = 0; i < TRIES; ++i) {
            if ((*driver)->read() != first) {
                return *driver;
            }
        }
    }
    return NULL;
}
