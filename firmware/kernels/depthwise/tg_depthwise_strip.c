/* The outer loops of the strip kernel.
 *
 * A strip holds a few rows of four channels, unpacked to int16 and padded; it is filled again for each
 * group of four channels and each pair of output rows. What the next pair of output rows needs of the
 * current input rows is saved for all channels, so that these rows may be overwritten: the output can
 * take the place of the input.
 *
 * Output rows 2p and 2p + 1 are computed from input rows r - 2 to r + 1 with r = 2p + 2 - pad_top, of
 * which r - 2 and r - 1 are the saved ones. Where the channels are no multiple of four, the last group
 * reads the last four channels, and computes those that are left.
 *
 * scratch: a strip of output_width + 2 columns of 8 words, behind up to 24 bytes that align it to 32;
 * the saved rows, 4 words for each pixel of a row and each group; a pixel of padding. */
#include "depthwise/tg_depthwise.h"
#include "tg_dsp.h"

#define COLUMN_WORDS 8

typedef struct {
    const tg_depthwise_strip_t *op;
    const int32_t *stream; /* NULL: the maker makes it */
    const tg_depthwise_maker_t *maker;
    uint32_t *strip;
    uint32_t *saved;
    const int8_t *padding;
} work_t;

/* Lays out the scratch memory and fills what never changes: the strip's padding. */
static work_t prepare(const tg_depthwise_strip_t *op, int8_t *scratch) {
    const uintptr_t aligned = ((uintptr_t)scratch + 31U) & ~(uintptr_t)31U;
    const int32_t words = (op->output_width + 2) * COLUMN_WORDS;
    const int32_t groups = (op->channels + 3) / 4;
    uint32_t *strip = (uint32_t *)aligned;
    uint32_t *saved = strip + words;
    int8_t *padding = (int8_t *)(saved + 4 * groups * op->input_width);
    for (int32_t i = 0; i < words; i++) {
        strip[i] = tg_halves(op->fill, op->fill);
    }
    tg_fill(padding, op->fill, op->channels);
    return (work_t){.op = op, .strip = strip, .saved = saved, .padding = padding};
}

/* `groups` groups of four channels; the first `skip` channels of them are not written. */
static void groups_step(const work_t *work, tg_depthwise_rows_t rows, int32_t channel, int32_t groups,
                        int32_t skip) {
    rows.above += channel;
    rows.below += channel;
    rows.groups = groups;
    rows.strip = work->strip + 2 * skip;
    rows.output = rows.output ? rows.output + channel + skip : NULL;
    if (work->stream) {
        rows.stream = work->stream + (channel + skip) * TG_DEPTHWISE_CHANNEL_WORDS;
    } else if (rows.output) {
        const tg_depthwise_maker_t *maker = work->maker;
        maker->make(maker->layer, channel + skip, 4 * groups - skip, maker->stream);
        rows.stream = maker->stream;
    }
    tg_depthwise_rows(&rows);
}

static void all_groups(const work_t *work, tg_depthwise_rows_t rows) {
    const int32_t channels = work->op->channels;
    const int32_t whole = channels / 4;
    const int32_t saved_words = 4 * work->op->input_width;
    if (work->stream || !rows.output) {
        groups_step(work, rows, 0, whole, 0);
        rows.saved += whole * saved_words;
    } else {
        for (int32_t g = 0; g < whole; g++, rows.saved += saved_words) {
            groups_step(work, rows, 4 * g, 1, 0);
        }
    }
    if (channels % 4 != 0) {
        groups_step(work, rows, channels - 4, 1, 4 - channels % 4);
    }
}

/* Reads input rows r and r + 1, and computes two output rows unless output is NULL. */
static void two_rows(const work_t *work, const int8_t *image, int32_t r, int8_t *output,
                     int32_t count) {
    const tg_depthwise_strip_t *op = work->op;
    const int32_t row_bytes = op->input_width * op->channels;
    const int32_t odd = op->output_width % 2;
    const bool above = r >= 0 && r < op->input_height;
    const bool below = r + 1 >= 0 && r + 1 < op->input_height;
    uint32_t *columns = work->strip + op->pad_left * COLUMN_WORDS;
    all_groups(work,
               (tg_depthwise_rows_t){
                   .output = output,
                   .last = (uintptr_t)(work->strip + (op->output_width - odd) * COLUMN_WORDS) -
                           (uintptr_t)odd,
                   .pitch = count == 2 ? op->output_width * op->channels : 0,
                   .pixel = op->channels,
                   .above = above ? image + r * row_bytes : work->padding,
                   .below = below ? image + (r + 1) * row_bytes : work->padding,
                   .columns = columns,
                   .saved = work->saved,
                   .above_step = above ? op->channels : 0,
                   .below_step = below ? op->channels : 0,
                   .columns_end = columns + op->input_width * COLUMN_WORDS,
                   .output_width = op->output_width,
               });
}

void tg_depthwise_strip(const tg_depthwise_strip_t *op, const int32_t *stream,
                        const tg_depthwise_maker_t *maker, const int8_t *input, int8_t *output,
                        int8_t *scratch) {
    work_t work = prepare(op, scratch);
    work.stream = stream;
    work.maker = maker;
    const int32_t output_row_bytes = op->output_width * op->channels;
    for (int32_t b = 0; b < op->batches; b++) {
        two_rows(&work, input, -op->pad_top, NULL, 0);
        for (int32_t y = 0; y < op->output_height; y += 2) {
            const int32_t count = tg_min(op->output_height - y, 2);
            two_rows(&work, input, y + 2 - op->pad_top, output, count);
            if (op->output_min > INT8_MIN || op->output_max < INT8_MAX) {
                tg_clamp_bytes(output, count * output_row_bytes, op->output_min, op->output_max);
            }
            output += count * output_row_bytes;
        }
        input += op->input_height * op->input_width * op->channels;
    }
}
