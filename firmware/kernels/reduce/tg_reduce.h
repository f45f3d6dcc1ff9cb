/* Reductions of int8 tensors over any set of dimensions. */
#ifndef TG_REDUCE_H
#define TG_REDUCE_H

#include "../tg_loops.h"
#include "../tg_runtime.h"

/* Which elements make one output: `fold` loops run over them, `keep` loops over the outputs. */
typedef struct {
    int32_t keeps; /* 1 to TG_MAX_LOOPS */
    int32_t folds; /* 1 to TG_MAX_LOOPS */
    /* [keeps][2], the innermost first: repetitions, input elements to step when it moves on. */
    const int32_t *keep;
    /* [folds][2], likewise, but the innermost loop's step is the stride between its elements, and
     * the steps of the others lead from the first element of one round to that of the next. */
    const int32_t *fold;
} tg_reduce_t;

typedef struct {
    tg_reduce_t over;
    int32_t bias; /* -(input zero point) * elements of an output */
    int32_t output_zero_point;
    tg_rescale_t rescale; /* input scale / output scale, over the number of elements for a mean */
} tg_sum_t;

/* output[o] = clamp(requantize(bias + sum of its elements) + output_zero_point).
 * Reads all elements of an output before it writes it; outputs ascend, and the first element of the
 * next output never lies before the place of that output: the output may take the input's place. */
void tg_sum(const tg_sum_t *op, const int8_t *input, int8_t *output);

typedef struct {
    tg_reduce_t over;
    int32_t flip; /* 0: the greatest element; -1: the least */
} tg_extreme_t;

/* output[o] = the greatest (or least) of its elements. Order and overlap as for tg_sum. */
void tg_extreme(const tg_extreme_t *op, const int8_t *input, int8_t *output);

typedef struct {
    int32_t outer;
    int32_t axis; /* length of the dimension searched */
    int32_t inner;
    int32_t flip; /* 0: the greatest element; -1: the least */
} tg_arg_extreme_t;

/* input [outer][axis][inner], output [outer][inner]: the index along the axis of the greatest (or
 * least) element, of the first one among equals. Reads all elements of an output before it writes
 * it, in ascending order. `output` is aligned for int32_t. */
void tg_arg_extreme(const tg_arg_extreme_t *op, const int8_t *input, int32_t *output);

#endif /* TG_REDUCE_H */
