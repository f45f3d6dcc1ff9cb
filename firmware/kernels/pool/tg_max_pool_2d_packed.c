#include "tg_pool_packed.h"

/* Of the four channels from `pixel` on. */
static uint32_t largest_four(const int8_t *pixel, const tg_pool_pixels_t *pixels) {
    uint32_t largest = tg_load4(pixel);
    for (int32_t r = pixels->rows; r > 0; r--) {
        for (int32_t c = pixels->columns; c > 0; c--, pixel += pixels->step) {
            largest = tg_max4(tg_load4(pixel), largest);
        }
        pixel += pixels->row_gap;
    }
    return largest;
}

static int8_t largest_one(const int8_t *pixel, const tg_pool_pixels_t *pixels) {
    int32_t largest = *pixel;
    for (int32_t r = pixels->rows; r > 0; r--) {
        for (int32_t c = pixels->columns; c > 0; c--, pixel += pixels->step) {
            largest = tg_max(largest, *pixel);
        }
        pixel += pixels->row_gap;
    }
    return (int8_t)largest;
}

static void largest(const tg_pool_2d_t *op, tg_pool_window_t window, int8_t *output) {
    const tg_pool_pixels_t pixels = {
        .rows = window.rows,
        .columns = window.columns,
        .step = op->channels,
        .row_gap = (op->input_width - window.columns) * op->channels,
    };
    int32_t left = op->channels;
    const int8_t *pixel = window.data;
    for (; left >= 4; left -= 4, pixel += 4, output += 4) {
        tg_store4(output, largest_four(pixel, &pixels));
    }
    for (; left > 0; left--) {
        *output++ = largest_one(pixel++, &pixels);
    }
}

void tg_max_pool_2d_packed(const tg_max_pool_2d_packed_t *op, const int8_t *input, int8_t *output) {
    const bool clamp = op->output_min > INT8_MIN || op->output_max < INT8_MAX;
    for (int32_t b = 0; b < op->batches; b++) {
        for (int32_t y = 0; y < op->output_height; y++) {
            for (int32_t x = 0; x < op->output_width; x++) {
                largest(op, tg_pool_window(op, input, y, x), output);
                if (clamp) {
                    tg_clamp_bytes(output, op->channels, op->output_min, op->output_max);
                }
                output += op->channels;
            }
        }
        input += op->input_height * op->input_width * op->channels;
    }
}
