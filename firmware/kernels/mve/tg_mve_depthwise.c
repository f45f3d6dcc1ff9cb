#include "tg_mve_depthwise.h"

/* An input row, or padding: a pixel that repeats. */
typedef struct {
    const int8_t *pixel;
    int32_t step;
} row_t;

static row_t row_of(const tg_mve_depthwise_t *op, const int8_t *image, const int8_t *padding,
                    int32_t row) {
    if (row < 0 || row >= op->input_height) {
        return (row_t){padding, 0};
    }
    return (row_t){image + row * op->input_width * op->channels, op->channels};
}

#if TG_MVE

static inline void push(int8_t *words, int16x8_t a, int16x8_t b) {
    int16x8x2_t rows = vld2q_s16((const int16_t *)(void *)words);
    rows.val[0] = rows.val[1];
    rows.val[1] = vsliq_n_s16(a, b, 8);
    vst2q_s16((int16_t *)(void *)words, rows);
}

/* Drops the two oldest rows of a pixel's words and appends two. */
static inline void push_pixel(int8_t *words, const int8_t *a, const int8_t *b, int32_t channels) {
    for (int32_t groups = channels / 8; groups > 0; groups--) {
        push(words, vldrbq_s16(a), vldrbq_s16(b));
        words += 32;
        a += 8;
        b += 8;
    }
    const int32_t rest = channels % 8;
    if (rest > 0) {
        const mve_pred16_t inside = vctp16q((uint32_t)rest);
        push(words, vldrbq_z_s16(a, inside), vldrbq_z_s16(b, inside));
    }
}

#else

static inline void push_pixel(int8_t *words, const int8_t *a, const int8_t *b, int32_t channels) {
    for (int32_t c = 0; c < channels; c++, words += 4) {
        words[0] = words[2];
        words[1] = words[3];
        words[2] = a[c];
        words[3] = b[c];
    }
}

#endif

/* Two more rows for the columns that come from the input. */
static void push_rows(const tg_mve_depthwise_t *op, int8_t *strip, row_t a, row_t b) {
    const int32_t pixel_bytes = 4 * op->strip_channels;
    const int32_t channels = op->channels;
    int8_t *words = strip + op->pad_left * pixel_bytes;
    for (int32_t left = op->filled; left > 0; left--) {
        push_pixel(words, a.pixel, b.pixel, channels);
        words += pixel_bytes;
        a.pixel += a.step;
        b.pixel += b.step;
    }
}

static void convolve_image(const tg_mve_depthwise_t *op, const int8_t *image, int8_t *output,
                           int8_t *strip, const int8_t *padding, int32_t stride,
                           tg_mve_depthwise_rows_t *rows) {
    const int32_t row_bytes = op->output_width * op->channels;
    int32_t row = -op->pad_top;
    push_rows(op, strip, row_of(op, image, padding, row), row_of(op, image, padding, row + 1));
    for (int32_t left = op->output_height; left > 0;) {
        row += 2;
        push_rows(op, strip, row_of(op, image, padding, row), row_of(op, image, padding, row + 1));
        const bool pair = stride == 1 && left > 1;
        const int32_t made = pair ? 2 : 1;
        rows(op, strip, pair, output);
        if (op->output_min > INT8_MIN || op->output_max < INT8_MAX) {
            tg_mve_clamp(output, made * row_bytes, op->output_min, op->output_max);
        }
        output += made * row_bytes;
        left -= made;
    }
}

void tg_mve_depthwise(const tg_mve_depthwise_t *op, const int8_t *input, int8_t *output,
                      int8_t *scratch, int32_t stride, tg_mve_depthwise_rows_t *rows) {
    const int32_t strip_bytes = 4 * op->strip_channels * op->columns;
    for (int32_t b = 0; b < op->batches; b++) {
        tg_fill(scratch, op->fill, strip_bytes + op->channels);
        convolve_image(op, input, output, scratch, scratch + strip_bytes, stride, rows);
        input += op->input_height * op->input_width * op->channels;
        output += op->output_height * op->output_width * op->channels;
    }
}
