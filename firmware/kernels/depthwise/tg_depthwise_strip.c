/* The outer loops of the strip kernel.
 *
 * A strip holds a few rows of four channels, unpacked to int16 and padded; it is filled again for
 * each group of four channels and each pair of output rows. What the next pair of output rows needs
 * of the current input rows is saved for all channels, so that these rows may be overwritten: the
 * output can take the place of the input.
 *
 * Output rows 2p and 2p + 1 are computed from input rows r - 2 to r + 1 with r = 2p + 2 - pad_top,
 * of which r - 2 and r - 1 are the saved ones. Where the channels are no multiple of four, the last
 * group reads the last four channels, and computes those that are left.
 *
 * scratch: a strip of output_width + 2 columns of 8 words, behind up to 24 bytes that align it to
 * 32; the saved rows, 4 words for each pixel of a row and each group; a pixel of padding. */
#include "../tg_dsp.h"
#include "tg_depthwise.h"

#define COLUMN_WORDS 8

typedef struct {
    const tg_depthwise_strip_t *op;
    const int32_t *stream; /* NULL: the maker makes it */
    const tg_depthwise_maker_t *maker;
    uint32_t *strip;
    uint32_t *saved;
    const int8_t *padding;
    tg_depthwise_rows_t rows; /* the next step */
} work_t;

/* Fills columns with padding. */
static void pad(uint32_t *column, const uint32_t *end, int32_t fill) {
    while (column < end) {
        *column++ = tg_halves(fill, fill);
    }
}

/* Lays out the scratch memory, and sets what all steps share. */
static void prepare(work_t *work, const tg_depthwise_strip_t *op, int8_t *scratch) {
    const int32_t odd = op->output_width % 2;
    uint32_t *strip = (uint32_t *)(((uintptr_t)scratch + 31U) & ~(uintptr_t)31U);
    uint32_t *columns = strip + op->pad_left * COLUMN_WORDS;
    uint32_t *columns_end = columns + op->input_width * COLUMN_WORDS;
    uint32_t *end = strip + (op->output_width + 2) * COLUMN_WORDS;
    int8_t *padding = (int8_t *)(end + (op->channels + 3) / 4 * 4 * op->input_width);
    pad(strip, columns, op->fill);
    pad(columns_end, end, op->fill);
    tg_fill(padding, op->fill, op->channels);
    work->op = op;
    work->strip = strip;
    work->saved = end;
    work->padding = padding;
    work->rows.last = (uintptr_t)(strip + (op->output_width - odd) * COLUMN_WORDS) - (uintptr_t)odd;
    work->rows.pixel = op->channels;
    work->rows.columns = columns;
    work->rows.columns_end = columns_end;
    work->rows.output_width = op->output_width;
}

/* All groups of an input row pair: at once, or one by one if their streams are to be made. */
static void step(work_t *work, const int8_t *above, const int8_t *below, int8_t *output) {
    const int32_t channels = work->op->channels;
    const int32_t saved_words = 4 * work->op->input_width;
    const tg_depthwise_maker_t *maker = work->maker;
    tg_depthwise_rows_t *rows = &work->rows;
    rows->saved = work->saved;
    for (int32_t done = 0; done < channels;) {
        const int32_t left = channels - done;
        const int32_t skip = left < 4 ? 4 - left : 0;
        rows->groups = left < 4 || (maker && output) ? 1 : left / 4;
        rows->above = above + done - skip;
        rows->below = below + done - skip;
        rows->strip = work->strip + 2 * skip;
        rows->output = output ? output + done : NULL;
        const int32_t count = 4 * rows->groups - skip;
        if (!maker) {
            rows->stream = work->stream + done * TG_DEPTHWISE_CHANNEL_WORDS;
        } else if (output) {
            maker->make(maker->layer, done, count, maker->stream);
            rows->stream = maker->stream;
        }
        tg_depthwise_rows(rows);
        rows->saved += rows->groups * saved_words;
        done += count;
    }
}

/* Reads input rows r and r + 1, and computes `count` output rows; none if output is NULL. */
static void two_rows(work_t *work, const int8_t *image, int32_t r, int8_t *output, int32_t count) {
    const tg_depthwise_strip_t *op = work->op;
    const int32_t row_bytes = op->input_width * op->channels;
    const int8_t *above = work->padding;
    const int8_t *below = work->padding;
    work->rows.above_step = 0;
    work->rows.below_step = 0;
    if (r >= 0 && r < op->input_height) {
        above = image + r * row_bytes;
        work->rows.above_step = op->channels;
    }
    if (r + 1 < op->input_height) {
        below = image + (r + 1) * row_bytes;
        work->rows.below_step = op->channels;
    }
    work->rows.pitch = count == 2 ? op->output_width * op->channels : 0;
    step(work, above, below, output);
}

void tg_depthwise_strip(const tg_depthwise_strip_t *op, const int32_t *stream,
                        const tg_depthwise_maker_t *maker, const int8_t *input, int8_t *output,
                        int8_t *scratch) {
    work_t work = {.stream = stream, .maker = maker};
    prepare(&work, op, scratch);
    const bool clamp = op->output_min > INT8_MIN || op->output_max < INT8_MAX;
    for (int32_t b = 0; b < op->batches; b++) {
        two_rows(&work, input, -op->pad_top, NULL, 0);
        for (int32_t y = 0; y < op->output_height; y += 2) {
            const int32_t count = tg_min(op->output_height - y, 2);
            const int32_t bytes = count * op->output_width * op->channels;
            two_rows(&work, input, y + 2 - op->pad_top, output, count);
            if (clamp) {
                tg_clamp_bytes(output, bytes, op->output_min, op->output_max);
            }
            output += bytes;
        }
        input += op->input_height * op->input_width * op->channels;
    }
}
