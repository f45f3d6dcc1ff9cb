#include "tg_pool_packed.h"

/* Sums of four channels: of 0 and 2, and of 1 and 3. */
typedef struct {
    uint32_t even;
    uint32_t odd;
} four_t;

static inline four_t add(four_t sums, const int8_t *bytes) {
    const uint32_t word = tg_load4(bytes);
    return (four_t){tg_sxtab16(sums.even, word), tg_sxtab16_odd(sums.odd, word)};
}

static int32_t *put(four_t four, int32_t *sums) {
    *sums++ = tg_low_half(four.even);
    *sums++ = tg_low_half(four.odd);
    *sums++ = tg_high_half(four.even);
    *sums++ = tg_high_half(four.odd);
    return sums;
}

static void sum_block(const tg_pool_pixels_t *pixels, const int8_t *pixel, int32_t *sums) {
    four_t a = {0};
    four_t b = {0};
    four_t c = {0};
    four_t d = {0};
    const int32_t step = pixels->step;
    for (int32_t r = pixels->rows; r > 0; r--) {
        for (const int8_t *end = pixel + pixels->columns * step; pixel != end; pixel += step) {
            a = add(a, pixel);
            b = add(b, pixel + 4);
            c = add(c, pixel + 8);
            d = add(d, pixel + 12);
        }
        pixel += pixels->row_gap;
    }
    put(d, put(c, put(b, put(a, sums))));
}

static void sum_four(const tg_pool_pixels_t *pixels, const int8_t *pixel, int32_t *sums) {
    four_t four = {0};
    const int32_t step = pixels->step;
    for (int32_t r = pixels->rows; r > 0; r--) {
        for (const int8_t *end = pixel + pixels->columns * step; pixel != end; pixel += step) {
            four = add(four, pixel);
        }
        pixel += pixels->row_gap;
    }
    put(four, sums);
}

static int32_t sum_one(const tg_pool_pixels_t *pixels, const int8_t *pixel) {
    int32_t sum = 0;
    for (int32_t r = pixels->rows; r > 0; r--) {
        for (int32_t c = pixels->columns; c > 0; c--) {
            sum += *pixel;
            pixel += pixels->step;
        }
        pixel += pixels->row_gap;
    }
    return sum;
}

int32_t tg_pool_sums(const tg_pool_pixels_t *pixels, const int8_t *first, int32_t channels,
                     int32_t sums[TG_POOL_BLOCK]) {
    if (channels >= TG_POOL_BLOCK) {
        sum_block(pixels, first, sums);
        return TG_POOL_BLOCK;
    }
    if (channels >= 4) {
        sum_four(pixels, first, sums);
        return 4;
    }
    sums[0] = sum_one(pixels, first);
    return 1;
}
