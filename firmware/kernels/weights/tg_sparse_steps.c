#include "tg_sparse_steps.h"

#define BLOCK 4

static int32_t add(int32_t sum, int32_t weight, int32_t x) {
    return (int32_t)((uint32_t)sum + (uint32_t)(weight * x)); /* wraps around, as TFLM's does */
}

/* The sums of one filter; returns the steps of the next. */
static const uint8_t *sum_one(const tg_sparse_steps_t *op, const uint8_t *steps,
                              const int8_t *const *windows, int32_t *sums) {
    const int8_t *const values = op->values;
    const int8_t *x = windows[0];
    const int8_t *const end = x + op->depth;
    int32_t sum = sums[0];
    do {
        const uint32_t step = *steps++;
        x += step >> 4;
        sum = add(sum, values[step & 15U], *x++);
    } while (x != end);
    sums[0] = sum;
    return steps;
}

static const uint8_t *sum_four(const tg_sparse_steps_t *op, const uint8_t *steps,
                               const int8_t *const *windows, int32_t *sums) {
    const int8_t *const values = op->values;
    const int8_t *const x0 = windows[0];
    const int8_t *const x1 = windows[1];
    const int8_t *const x2 = windows[2];
    const int8_t *const x3 = windows[3];
    int32_t sum0 = sums[0];
    int32_t sum1 = sums[1];
    int32_t sum2 = sums[2];
    int32_t sum3 = sums[3];
    int32_t at = 0;
    do {
        const uint32_t step = *steps++;
        const int32_t weight = values[step & 15U];
        at += (int32_t)(step >> 4);
        sum0 = add(sum0, weight, x0[at]);
        sum1 = add(sum1, weight, x1[at]);
        sum2 = add(sum2, weight, x2[at]);
        sum3 = add(sum3, weight, x3[at]);
        at++;
    } while (at != op->depth);
    sums[0] = sum0;
    sums[1] = sum1;
    sums[2] = sum2;
    sums[3] = sum3;
    return steps;
}

/* All filters of one window or of four. */
static void block(const tg_sparse_steps_t *op, const int8_t *const *windows, int32_t count,
                  int8_t *output) {
    const uint8_t *steps = op->steps;
    for (int32_t f = 0; f < op->filters; f++) {
        int32_t sums[BLOCK];
        for (int32_t i = 0; i < BLOCK; i++) {
            sums[i] = op->channels.bias[f];
        }
        steps = (count == 1 ? sum_one : sum_four)(op, steps, windows, sums);
        for (int32_t i = 0; i < count; i++) {
            output[i * op->filters + f] = tg_channel_output(
                &op->channels, f, sums[i], op->output_zero_point, op->output_min, op->output_max);
        }
    }
}

void tg_sparse_steps(const tg_sparse_steps_t *op, const int8_t *input, int8_t *output) {
    const int8_t *row = input;
    const int8_t *next = input;
    int32_t left = op->width;
    for (int32_t pixels = op->pixels; pixels > 0;) {
        const int32_t count = pixels < BLOCK ? 1 : BLOCK;
        const int8_t *windows[BLOCK];
        for (int32_t i = 0; i < count; i++) {
            windows[i] = next;
            next += op->stride_bytes;
            if (--left == 0) {
                row += op->row_bytes;
                next = row;
                left = op->width;
            }
        }
        block(op, windows, count, output);
        output += count * op->filters;
        pixels -= count;
    }
}
