#include "tg/app.h"
#include "tg/cpu.h"

/* Start-up halts when this returns; a product would sleep and wait for its next input here. */
void tg_main(void) {
    (void)tg_app_run();
}
