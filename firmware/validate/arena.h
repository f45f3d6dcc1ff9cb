/*
 * TensorFlow Lite Micro's arena as the measuring firmware sees it. The one instance, tg_arena, is
 * rendered for each model from templates/firmware/arena_glue.c.j2.
 */
#ifndef TG_ARENA_H
#define TG_ARENA_H

#include <stdint.h>

struct tg_arena {
    int (*init_within)(uint32_t bytes); /* negative on error */
    uint32_t (*used)(void);             /* after a good init */
    uint32_t bytes;                     /* all that there is */
    int too_small;                      /* the status that says so */
};

extern const struct tg_arena tg_arena;

#endif
