#include "tg_dense_pair8.h"

/* The last block writes aside if the output has less than four elements left. */
void tg_dense_row(const tg_dense_pair8_t *op, const void *values, const void *values_end,
                  int8_t *output, tg_dense_rows_kernel_t *kernel) {
    const int32_t rest = op->outputs % 4;
    const int32_t whole = op->outputs - rest;
    const int32_t steps = (op->inputs + 7) / 8;
    int8_t last[4];
    tg_dense_rows_t rows = {
        .stream = op->stream,
        .values = values,
        .odd = (uint32_t)steps % 2,
        .values_end = values_end,
        .factors = op->factors,
        .output = output,
        .factor_step = op->factor_step,
        .output_end = output + whole,
    };
    if (whole > 0) {
        kernel(&rows);
    }
    if (rest > 0) {
        rows.stream += whole + whole * 2 * steps;
        rows.factors += whole * (op->factor_step / 4);
        rows.output = last;
        rows.output_end = last + 4;
        kernel(&rows);
        tg_copy(output + whole, last, rest);
    }
    if (op->output_min > INT8_MIN || op->output_max < INT8_MAX) {
        tg_clamp_bytes(output, op->outputs, op->output_min, op->output_max);
    }
}
