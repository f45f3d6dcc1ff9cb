/* The stack's high-water mark by paint. */
#include "tg/core.h"
#include "tg/cpu.h"

#define PAINT 0x7467504Bu
/* Words at the end that must keep their paint; two exception frames would run over them. */
#define CANARY_WORDS 16u

extern uint32_t tg_stack_end[], tg_stack_top[];

static uint32_t *stack_pointer(void) {
    uint32_t *sp;
#if defined(__riscv)
    __asm__ volatile("mv %0, sp" : "=r"(sp));
#else
    __asm__ volatile("mov %0, sp" : "=r"(sp));
#endif
    return sp;
}

/*
 * Everything here is inline in one frame: paint may reach up to this function's own stack pointer,
 * and no deeper frame exists between painting and scanning but the one to measure.
 */
__attribute__((noinline)) int tg_stack_call(int (*function)(void), uint32_t *used_bytes) {
    uint32_t *const sp = stack_pointer();
    for (volatile uint32_t *word = tg_stack_end; word < sp; ++word) {
        *word = PAINT;
    }
    const int status = function();
    const volatile uint32_t *lowest = tg_stack_end;
    while (lowest < sp && *lowest == PAINT) {
        ++lowest;
    }
    *used_bytes = (uint32_t)((uintptr_t)sp - (uintptr_t)lowest);
    return status;
}

/* Start-up calls tg_main() from tg_start(), which keeps a return address in one aligned frame. */
uint32_t tg_stack_at_entry(void) {
    return TG_LEAST_FRAME_BYTES;
}

int tg_stack_is_intact(void) {
    for (uint32_t i = 0; i < CANARY_WORDS; ++i) {
        if (((const volatile uint32_t *)tg_stack_end)[i] != PAINT) {
            return 0;
        }
    }
    return 1;
}
