#include "conv_gemm/tg_conv_gemm.h"

#define COMPONENTS 4
#define BLOCK 4 /* pixels made at a time */

/* Halfwords of two channels: the even or the odd ones of four. x: six neighbours; column: where the
 * first component's go, the others follow at a distance of `words`. */
static inline void transform(const uint32_t *x, uint32_t *column, int32_t words) {
    column[0] = tg_ssub16(x[0], x[2]);
    column[2] = tg_ssub16(x[2], x[4]);
    column += words;
    column[0] = tg_sadd16(x[1], x[2]);
    column[2] = tg_sadd16(x[3], x[4]);
    column += words;
    column[0] = tg_ssub16(x[2], x[1]);
    column[2] = tg_ssub16(x[4], x[3]);
    column += words;
    column[0] = tg_ssub16(x[1], x[3]);
    column[2] = tg_ssub16(x[3], x[5]);
}

/* Six neighbours of one row, all channels, into the columns of the four components. */
static uint32_t *transform_row(const int8_t *row, int32_t inputs, uint32_t *column, int32_t words) {
    for (const int8_t *end = row + inputs; row != end; row += 4, column += 4) {
        uint32_t even[6];
        uint32_t odd[6];
        const int8_t *pixel = row;
        for (int32_t i = 0; i < 6; i++, pixel += inputs) {
            const uint32_t x = tg_load4(pixel);
            even[i] = tg_sxtb16(x);
            odd[i] = tg_sxtb16_odd(x);
        }
        transform(even, column, words);
        transform(odd, column + 1, words);
    }
    return column;
}

static inline int8_t scaled(int32_t twice, const int32_t *factor) {
    const int32_t nudge = factor[1] + (twice >> 31);
    return (int8_t)tg_ssat8(tg_smmlar(twice, factor[0], nudge) >> factor[2]);
}

/* Two neighbouring pixels of one channel, from its sums in the four components. */
static inline void make_two(const int32_t *sums, int32_t words, const int32_t *factor,
                            int8_t *output, int32_t channels) {
    const uint32_t m0 = (uint32_t)sums[0];
    const uint32_t m1 = (uint32_t)sums[words];
    const uint32_t m2 = (uint32_t)sums[2 * words];
    const uint32_t m3 = (uint32_t)sums[3 * words];
    output[0] = scaled((int32_t)(m1 + m2 + m0), factor);
    output[channels] = scaled((int32_t)(m1 - m2 - m3), factor);
}

/* Four neighbouring pixels, all channels; the sums of a pair of filters are those of both for the
 * first tile, then for the second. */
static void make_block(const tg_conv_winograd_t *op, const int32_t *sums, int8_t *output) {
    const int32_t channels = op->channels;
    const int32_t words = op->gemm.channels / 4;
    for (int32_t c = 0; c < channels; c += 2, sums += 4) {
        const int32_t at = tg_min(c, channels - 2);
        const int32_t *factor = op->factors + 3 * at;
        int8_t *pixel = output + at;
        make_two(sums, words, factor, pixel, channels);
        make_two(sums + 1, words, factor + 3, pixel + 1, channels);
        pixel += 2 * channels;
        make_two(sums + 2, words, factor, pixel, channels);
        make_two(sums + 3, words, factor + 3, pixel + 1, channels);
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
            make_block(op, (const int32_t *)(const void *)sums, target);
            if (target != output) {
                tg_copy(output, target, bytes);
            }
            if (tg_gemm_clamps(&op->gemm)) {
                tg_clamp_bytes(output, bytes, op->gemm.output_min, op->gemm.output_max);
            }
            output += bytes;
        }
    }
}
