/*
 * The generated model as the generic firmware sees it. The one instance, tg_model, is rendered for
 * each model from templates/firmware/model_glue.c.j2.
 */
#ifndef TG_MODEL_H
#define TG_MODEL_H

#include <stdint.h>

struct tg_input {
    void *(*data)(void);
    uint32_t bytes;
};

struct tg_output {
    const void *(*data)(void);
    uint32_t bytes;
};

struct tg_model {
    const char *name;
    int (*init)(void); /* negative on error, as is invoke */
    int (*invoke)(void);
    const struct tg_input *inputs;
    const struct tg_output *outputs;
    uint32_t input_count;
    uint32_t output_count;
    uint32_t input_bytes; /* of all inputs together */
};

extern const struct tg_model tg_model;

#endif
