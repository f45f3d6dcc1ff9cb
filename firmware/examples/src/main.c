/* Runs the model on the test vectors that its package brings along, and says what came of it. */
#include <stdbool.h>
#include <string.h>

#include "digits.h"
#include "digits_vectors.h"
#include "uart.h"

/* An inference, printed byte for byte; whether it is what the reference answers. */
static bool run(uint32_t vector) {
    memcpy(digits_input_0(), digits_vectors_input_0[vector], DIGITS_INPUT_0_BYTES);
    if (digits_invoke() != DIGITS_OK) {
        return false;
    }
    const uint8_t *output = (const uint8_t *)digits_output_0();
    for (uint32_t i = 0; i < DIGITS_OUTPUT_0_BYTES; ++i) {
        uart_hex(output[i]);
    }
    return memcmp(output, digits_vectors_output_0[vector], DIGITS_OUTPUT_0_BYTES) == 0;
}

int main(void) {
    uart_init();
    bool passed = digits_init() == DIGITS_OK;
    for (uint32_t vector = 0; vector < DIGITS_VECTORS; ++vector) {
        const bool same = run(vector);
        uart_text(same ? " as expected\n" : " WRONG\n");
        passed = passed && same;
    }
    uart_text(passed ? "passed\n" : "FAILED\n");
    return 0;
}
