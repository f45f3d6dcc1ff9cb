/* Vector table and reset of a Cortex-M4F. */
#include <stdint.h>
#include <string.h>

extern uint32_t stack_top, data_start, data_end, bss_start, bss_end; /* linker script */
extern const uint32_t data_load;

int main(void);
void reset(void);

#define CPACR (*(volatile uint32_t *)0xE000ED88u)
#define CPACR_CP10_CP11_FULL (0xFu << 20)

static void hang(void) {
    for (;;) {
    }
}

typedef struct {
    uint32_t *stack_top;
    void (*handlers[15])(void);
} vectors_t;

__attribute__((section(".vectors"), used)) static const vectors_t vectors = {
    &stack_top,
    {reset, hang, hang, hang, hang, hang, 0, 0, 0, 0, hang, hang, 0, hang, hang},
};

void reset(void) {
    CPACR |= CPACR_CP10_CP11_FULL; /* the compiler may use the FPU from here on */
    __asm__ volatile("dsb\n\tisb" ::: "memory");
    memcpy(&data_start, &data_load, (size_t)((char *)&data_end - (char *)&data_start));
    memset(&bss_start, 0, (size_t)((char *)&bss_end - (char *)&bss_start));
    (void)main();
    hang();
}
