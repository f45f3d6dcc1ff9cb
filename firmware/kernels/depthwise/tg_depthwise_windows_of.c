#include "../tg_dsp.h"
#include "tg_depthwise_taps.h"

/* What all windows share.
 * scratch: offsets of the taps of a window inside the image and where they begin, then those of a
 * window at its border, then a pixel of padding. */
typedef struct {
    const tg_depthwise_geometry_t *op;
    int32_t by_eight; /* taps in the loop, filled up */
    int32_t *inside;
    int32_t *border;
    const int8_t *padding;
    const int8_t *image;
    tg_depthwise_windows_t run; /* the next windows */
} work_t;

/* Offsets of a kernel row's taps; a row outside the image has `inside` false. */
static int32_t *row_of_taps(const tg_depthwise_geometry_t *op, bool inside, int32_t column,
                            int32_t offset, int32_t padding, int32_t *offsets) {
    const int32_t step = op->dilation_width * op->channels;
    const int32_t width = inside ? op->input_width : 0;
    for (int32_t k = op->kernel_width; k > 0; k--) {
        *offsets++ = (uint32_t)column < (uint32_t)width ? offset : padding;
        column += op->dilation_width;
        offset += step;
    }
    return offsets;
}

/* Offsets of the taps of the window whose corner lies at row, column: those outside the image, and
 * those that fill up, read the padding. */
static void find_taps(const work_t *work, int32_t row, int32_t column, int32_t *offsets) {
    const tg_depthwise_geometry_t *op = work->op;
    const int32_t row_bytes = op->input_width * op->channels;
    const int32_t corner = row * row_bytes + column * op->channels;
    const int32_t padding = (int32_t)((uintptr_t)work->padding - (uintptr_t)work->image) - corner;
    const int32_t *end = offsets + work->by_eight + 1;
    int32_t offset = 0;
    for (int32_t k = op->kernel_height; k > 0; k--) {
        const bool inside = (uint32_t)row < (uint32_t)op->input_height;
        offsets = row_of_taps(op, inside, column, offset, padding, offsets);
        offset += op->dilation_height * row_bytes;
        row += op->dilation_height;
    }
    while (offsets < end) {
        *offsets++ = padding;
    }
}

/* `pixels` windows, the first with its corner at row, column, to output. If channels are left over,
 * a group of the last four follows each window, which must be alone then. */
static void windows(work_t *work, int32_t row, int32_t column, int32_t pixels,
                    const int32_t *offsets, int8_t *output) {
    const tg_depthwise_geometry_t *op = work->op;
    const int32_t corner = (row * op->input_width + column) * op->channels;
    tg_depthwise_windows_t *run = &work->run;
    run->window = (uintptr_t)work->image + (uintptr_t)(intptr_t)corner;
    run->delta = (uintptr_t)output - run->window;
    run->offsets = offsets;
    run->offsets_end = offsets + work->by_eight;
    run->pixels = pixels;
    tg_depthwise_windows(run);
    if (op->channels % 4 != 0) {
        run->window += (uintptr_t)op->channels - 4;
        run->stream = run->stream_end;
        run->stream_end += op->group_words;
        tg_depthwise_windows(run);
        run->stream_end = run->stream;
        run->stream = run->stream_begin;
    }
}

/* An output row; offsets of windows inside the image can be used where x is inner. */
static void one_row(work_t *work, int32_t y, int8_t *output) {
    const tg_depthwise_geometry_t *op = work->op;
    const bool inner_row = y >= op->inner_top && y < op->inner_bottom;
    const int32_t row = y * op->stride_height - op->pad_top;
    for (int32_t x = 0; x < op->output_width;) {
        const int32_t column = x * op->stride_width - op->pad_left;
        int32_t pixels = 1;
        const int32_t *offsets = work->inside;
        if (!inner_row || x < op->inner_left || x >= op->inner_right) {
            find_taps(work, row, column, work->border);
            offsets = work->border;
        } else if (op->channels % 4 == 0) {
            pixels = op->inner_right - x;
        }
        windows(work, row, column, pixels, offsets, output);
        output += pixels * op->channels;
        x += pixels;
    }
}

static void prepare(work_t *work, const int32_t *stream, int8_t *scratch) {
    const tg_depthwise_geometry_t *op = work->op;
    const int32_t taps = op->kernel_height * op->kernel_width;
    const int32_t by_eight = tg_max((taps + 6) / 8 * 8, 8);
    const int32_t groups = op->channels / 4;
    int32_t *inside = (int32_t *)(void *)scratch;
    int32_t *border = inside + by_eight + 2;
    int8_t *padding = (int8_t *)(border + by_eight + 2);
    tg_fill(padding, op->fill, op->channels);
    inside[by_eight + 1] = (int32_t)(uintptr_t)inside;
    border[by_eight + 1] = (int32_t)(uintptr_t)border;
    work->by_eight = by_eight;
    work->inside = inside;
    work->border = border;
    work->padding = padding;
    work->run.stream = stream;
    work->run.stream_begin = stream;
    work->run.stream_end = stream + groups * op->group_words;
    work->run.window_step = op->stride_width * op->channels - 4 * groups;
    work->run.delta_step = (1 - op->stride_width) * op->channels;
    work->run.general = op->general;
    find_taps(work, op->inner_top * op->stride_height - op->pad_top,
              op->inner_left * op->stride_width - op->pad_left, inside);
    for (int32_t i = taps; i <= by_eight; i++) {
        inside[i] = 0;
    }
}

void tg_depthwise_windows_of(const tg_depthwise_geometry_t *op, const int32_t *stream,
                             const int8_t *input, int8_t *output, int8_t *scratch) {
    const int32_t row_bytes = op->output_width * op->channels;
    const bool clamp = op->output_min > INT8_MIN || op->output_max < INT8_MAX;
    work_t work = {.op = op, .image = input};
    prepare(&work, stream, scratch);
    for (int32_t b = 0; b < op->batches; b++) {
        for (int32_t y = 0; y < op->output_height; y++, output += row_bytes) {
            one_row(&work, y, output);
            if (clamp) {
                tg_clamp_bytes(output, row_bytes, op->output_min, op->output_max);
            }
        }
        work.image += op->input_height * op->input_width * op->channels;
    }
}
