#include "tg_mve_add.h"

#if TG_MVE

/* Four sums, saturated to int8: shifted to the left until int32 saturates where int8 would, and
 * back. (VQSHRNB would do, but binutils 2.40 assembles VQRSHRNB for it.) */
static inline int32x4_t sums_of(const tg_add_linear_mve_t *op, int32x4_t a, int32x4_t b) {
    const int32x4_t sums = vmlaq_n_s32(vmulq_n_s32(a, op->first), b, op->second);
    return vshrq_n_s32(vqshlq_n_s32(vaddq_n_s32(sums, op->offset), 24 - TG_ADD_LINEAR_SHIFT), 24);
}

void tg_add_linear_mve(const tg_add_linear_mve_t *op, const int8_t *first, const int8_t *second,
                       int8_t *output) {
    const tg_add_linear_mve_t local = *op; /* in registers: bytes may be written anywhere */
    int8_t *out = output;
    for (int32_t fours = local.elements / 4; fours > 0; fours--) {
        vstrbq_s32(out, sums_of(&local, vldrbq_s32(first), vldrbq_s32(second)));
        first += 4;
        second += 4;
        out += 4;
    }
    const mve_pred16_t rest = vctp32q((uint32_t)local.elements % 4);
    const int32x4_t a = vldrbq_z_s32(first, rest);
    const int32x4_t b = vldrbq_z_s32(second, rest);
    vstrbq_p_s32(out, sums_of(&local, a, b), rest);
    if (local.output_min > INT8_MIN || local.output_max < INT8_MAX) {
        tg_mve_clamp(output, local.elements, local.output_min, local.output_max);
    }
}

#else

void tg_add_linear_mve(const tg_add_linear_mve_t *op, const int8_t *first, const int8_t *second,
                       int8_t *output) {
    for (int32_t i = 0; i < op->elements; i++) {
        const int32_t sum = op->first * first[i] + op->offset + op->second * second[i];
        output[i] = (int8_t)tg_clamp(sum >> TG_ADD_LINEAR_SHIFT, op->output_min, op->output_max);
    }
}

#endif
