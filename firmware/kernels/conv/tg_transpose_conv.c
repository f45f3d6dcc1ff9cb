#include "tg_conv.h"

static tg_phase_t phase(const int32_t *table, int32_t index) {
    const int32_t *fields = table + 3 * index;
    return (tg_phase_t){.taps = fields[0], .first = fields[1], .outputs = fields[2]};
}

void tg_transpose_conv(const tg_transpose_conv_t *op, const int8_t *input, int8_t *output,
                       int8_t *scratch) {
    tg_conv_2d_t conv = op->conv;
    const int32_t outputs = conv.group_outputs;
    for (int32_t py = 0; py < op->phase_rows; py++) {
        const tg_phase_t rows = phase(op->rows, py);
        conv.scan.first_row = rows.first;
        conv.scan.output_height = rows.outputs;
        conv.patch.rows = rows.taps;
        for (int32_t px = 0; px < op->phase_columns; px++) {
            const tg_phase_t columns = phase(op->columns, px);
            conv.scan.first_byte = columns.first * op->inputs;
            conv.scan.output_width = columns.outputs;
            conv.patch.piece_bytes = columns.taps * op->inputs;
            conv.filters.depth = rows.taps * conv.patch.piece_bytes;
            tg_conv_2d(&conv, input, output + py * op->output_row_bytes + px * outputs, scratch);
            conv.filters.weights += outputs * conv.filters.depth;
            conv.filters.channels.bias += outputs;
        }
    }
}
