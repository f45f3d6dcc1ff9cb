#include "tg/app.h"

#include "tg/model.h"
#include "tg/text.h"

/* Enough of an output to look at; the validation firmware prints all of it. */
#define SHOWN_BYTES 16u

static void clear_inputs(void) {
    for (uint32_t i = 0; i < tg_model.input_count; ++i) {
        uint8_t *input = tg_model.inputs[i].data();
        for (uint32_t k = 0; k < tg_model.inputs[i].bytes; ++k) {
            input[k] = 0u;
        }
    }
}

static void report(int status) {
    tg_put_text(tg_model.name);
    if (status < 0) {
        tg_put_text(": failed, status -");
        tg_put_decimal(0u - (uint32_t)status);
    } else {
        const struct tg_output *output = &tg_model.outputs[0];
        const uint32_t bytes = output->bytes < SHOWN_BYTES ? output->bytes : SHOWN_BYTES;
        tg_put_text(": inference done, output ");
        tg_put_bytes(output->data(), bytes);
        tg_put_text(bytes < output->bytes ? "..." : "");
    }
    tg_put_line_end();
}

int tg_app_run(void) {
    int status = tg_model.init();
    if (status >= 0) {
        clear_inputs();
        status = tg_model.invoke();
    }
    report(status);
    return status;
}
