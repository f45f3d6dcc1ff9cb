#include "tg/text.h"

#include "tg/uart.h"

static void put_nibble(uint32_t value) {
    tg_uart_send((uint8_t) "0123456789abcdef"[value & 0xFu]);
}

void tg_put_text(const char *text) {
    for (; *text != '\0'; ++text) {
        tg_uart_send((uint8_t)*text);
    }
}

void tg_put_decimal(uint32_t value) {
    char digits[10]; /* 2^32 - 1 has ten */
    uint32_t count = 0;
    do {
        digits[count++] = (char)('0' + (char)(value % 10u));
        value /= 10u;
    } while (value != 0u);
    while (count != 0u) {
        tg_uart_send((uint8_t)digits[--count]);
    }
}

void tg_put_hex32(uint32_t value) {
    for (uint32_t shift = 32u; shift != 0u;) {
        shift -= 4u;
        put_nibble(value >> shift);
    }
}

void tg_put_bytes(const void *data, uint32_t bytes) {
    const uint8_t *byte = data;
    for (uint32_t i = 0; i < bytes; ++i) {
        put_nibble((uint32_t)byte[i] >> 4);
        put_nibble(byte[i]);
    }
}

void tg_put_line_end(void) {
    tg_put_text("\r\n");
}
