/*
 * The four functions that a compiler may call even in freestanding code (GCC manual, "Standards").
 * Words where both pointers allow it: kernels copy whole tensors with them.
 */
#include <stddef.h>
#include <stdint.h>

/* Keeps GCC from recognising the loops below and turning them into calls of themselves. */
#if defined(__GNUC__) && !defined(__clang__)
#define TG_NO_IDIOM __attribute__((optimize("no-tree-loop-distribute-patterns")))
#else
#define TG_NO_IDIOM
#endif

/* A word that may alias anything. */
typedef uint32_t __attribute__((may_alias)) word_t;

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *left, const void *right, size_t bytes);

static int aligned(const void *left, const void *right) {
    return ((((uintptr_t)left) | ((uintptr_t)right)) & 3u) == 0u;
}

TG_NO_IDIOM void *memcpy(void *restrict to, const void *restrict from, size_t bytes) {
    uint8_t *target = to;
    const uint8_t *source = from;
    if (aligned(to, from)) {
        for (; bytes >= 4u; bytes -= 4u, target += 4, source += 4) {
            *(word_t *)(void *)target = *(const word_t *)(const void *)source;
        }
    }
    for (; bytes != 0u; --bytes) {
        *target++ = *source++;
    }
    return to;
}

TG_NO_IDIOM void *memmove(void *to, const void *from, size_t bytes) {
    uint8_t *target = to;
    const uint8_t *source = from;
    if ((uintptr_t)to - (uintptr_t)from >= bytes) {
        return memcpy(to, from, bytes);
    }
    while (bytes != 0u) {
        --bytes;
        target[bytes] = source[bytes];
    }
    return to;
}

TG_NO_IDIOM void *memset(void *to, int value, size_t bytes) {
    uint8_t *target = to;
    const uint32_t pattern = 0x01010101u * (uint8_t)value;
    if (aligned(to, to)) {
        for (; bytes >= 4u; bytes -= 4u, target += 4) {
            *(word_t *)(void *)target = pattern;
        }
    }
    for (; bytes != 0u; --bytes) {
        *target++ = (uint8_t)value;
    }
    return to;
}

int memcmp(const void *left, const void *right, size_t bytes) {
    const uint8_t *a = left;
    const uint8_t *b = right;
    for (; bytes != 0u; --bytes, ++a, ++b) {
        if (*a != *b) {
            return (int)*a - (int)*b;
        }
    }
    return 0;
}
