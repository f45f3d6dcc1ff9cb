#include "tg_conv_gemm.h"

#define COMPONENTS 4
#define BLOCK 4 /* pixels made at a time */

/* Two of four channels of one pixel: the even ones or the odd ones. */
static inline uint32_t halves(const int8_t *pixel, bool odd) {
    const uint32_t x = tg_load4(pixel);
    return odd ? tg_sxtb16_odd(x) : tg_sxtb16(x);
}

/* Two channels of both tiles into the columns of the four components, `words` apart. */
static inline void transform(const int8_t *pixel, int32_t inputs, bool odd, uint32_t *column,
                             int32_t words) {
    const uint32_t x0 = halves(pixel, odd);
    const uint32_t x1 = halves(pixel += inputs, odd);
    const uint32_t x2 = halves(pixel += inputs, odd);
    const uint32_t x3 = halves(pixel += inputs, odd);
    const uint32_t x4 = halves(pixel += inputs, odd);
    const uint32_t x5 = halves(pixel += inputs, odd);
    column += odd ? 1 : 0;
    column[0] = tg_ssub16(x0, x2);
    column[2] = tg_ssub16(x2, x4);
    column += words;
    column[0] = tg_sadd16(x1, x2);
    column[2] = tg_sadd16(x3, x4);
    column += words;
    column[0] = tg_ssub16(x2, x1);
    column[2] = tg_ssub16(x4, x3);
    column += words;
    column[0] = tg_ssub16(x1, x3);
    column[2] = tg_ssub16(x3, x5);
}

/* Six neighbours of one row, all channels. Returns where the next row's columns go on. */
static uint32_t *transform_row(const int8_t *row, int32_t inputs, uint32_t *column, int32_t words) {
    for (const int8_t *end = row + inputs; row != end; row += 4, column += 4) {
        transform(row, inputs, false, column, words);
        transform(row, inputs, true, column, words);
    }
    return column;
}

/* Two sums of a filter become two neighbouring pixels' outputs. factor: multiplier, constant,
 * exponent.
 */
static inline void scale_two(uint32_t first, uint32_t second, const int32_t *factor, int8_t *output,
                             int32_t channels) {
    const int32_t multiplier = factor[0];
    const int32_t constant = factor[1];
    const int32_t exponent = factor[2];
    const int32_t a = (int32_t)first;
    const int32_t b = (int32_t)second;
    const int32_t x = tg_smmlar(a, multiplier, constant + (a >> 31)) >> exponent;
    const int32_t y = tg_smmlar(b, multiplier, constant + (b >> 31)) >> exponent;
    output[0] = (int8_t)tg_ssat8(x);
    output[channels] = (int8_t)tg_ssat8(y);
}

/* One tile of a filter, from its sums in the four components. */
static inline void make_tile(const uint32_t *sums, int32_t words, const int32_t *factor,
                             int8_t *output, int32_t channels) {
    const uint32_t m0 = sums[0];
    const uint32_t m1 = sums[words];
    const uint32_t m2 = sums[2 * words];
    const uint32_t m3 = sums[3 * words];
    scale_two(m1 + m2 + m0, m1 - m2 - m3, factor, output, channels);
}

/* Four neighbouring pixels, all channels; the sums of a pair of filters are those of both for the
 * first tile, then for the second. */
static void make_block(const tg_conv_winograd_t *op, const uint32_t *sums, int8_t *output) {
    const int32_t channels = op->channels;
    const int32_t words = op->gemm.channels >> 2;
    for (int32_t c = 0; c < channels; c += 2, sums += 4) {
        const int32_t at = tg_min(c, channels - 2);
        const int32_t *factor = op->factors + 3 * at;
        int8_t *first = output + at;
        int8_t *second = first + 2 * channels;
        make_tile(sums, words, factor, first, channels);
        make_tile(sums + 2, words, factor, second, channels);
        make_tile(sums + 1, words, factor + 3, first + 1, channels);
        make_tile(sums + 3, words, factor + 3, second + 1, channels);
    }
}

static void multiply(const tg_conv_winograd_t *op, const uint32_t *columns, int8_t *sums) {
    tg_gemm_t gemm = op->gemm;
    for (int32_t i = 0; i < COMPONENTS; i++) {
        tg_gemm_int16(&gemm, columns, sums, sums);
        gemm.stream += op->component_words;
        columns += 4 * gemm.steps;
        sums += gemm.channels;
    }
}

void tg_conv_winograd(const tg_conv_winograd_t *op, const int8_t *input, int8_t *output,
                      int8_t *scratch) {
    uint32_t *const columns = (uint32_t *)(void *)scratch;
    const int32_t words = 4 * op->gemm.steps;
    int8_t *const sums = scratch + COMPONENTS * 4 * words;
    int8_t *const block = sums + COMPONENTS * op->gemm.channels;
    tg_ring_state_t ring;
    tg_ring_start(&op->ring, &ring, block + ((BLOCK * op->channels + 3) & ~3), input);
    for (int32_t y = 0; y < op->height; y++) {
        tg_ring_load(&op->ring, &ring, y + 3);
        for (int32_t x = 0; x < op->width; x += BLOCK) {
            uint32_t *column = columns;
            for (int32_t row = 0; row < 3; row++) {
                const int8_t *source = ring.bytes + ((y + row) % 3) * op->ring.row_bytes;
                column = transform_row(source + x * op->inputs, op->inputs, column, words);
            }
            multiply(op, columns, sums);
            const int32_t bytes = tg_min(op->width - x, BLOCK) * op->channels;
            int8_t *target = bytes < BLOCK * op->channels ? block : output;
            make_block(op, (const uint32_t *)(const void *)sums, target);
            if (target != output) {
                tg_copy(output, target, bytes);
            }
            tg_gemm_clamp(&op->gemm, output, bytes);
            output += bytes;
        }
    }
}
