/*
 * What hosted C and C++ expect of an operating system, for a TensorFlow Lite Micro that was built
 * with assertions or messages. The linker drops what nobody calls.
 */
#include <stddef.h>
#include <stdint.h>

#include "tg/cpu.h"

_Noreturn void abort(void);
_Noreturn void __assert_func(const char *file, int line, const char *function, const char *what);
void *_sbrk(ptrdiff_t bytes);

void abort(void) {
    tg_fault("abort", "lr", (uint32_t)(uintptr_t)__builtin_return_address(0));
}

void __assert_func(const char *file, int line, const char *function, const char *what) {
    (void)file;
    (void)function;
    (void)what;
    tg_fault("abort", "line", (uint32_t)line);
}

/* No heap: newlib's printf asks for memory only for what TensorFlow Lite Micro never prints. */
void *_sbrk(ptrdiff_t bytes) {
    (void)bytes;
    return (void *)(intptr_t)-1;
}
