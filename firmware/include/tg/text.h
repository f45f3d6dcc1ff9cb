/* Text on the UART, without stdio. */
#ifndef TG_TEXT_H
#define TG_TEXT_H

#include <stdint.h>

void tg_put_text(const char *text);
void tg_put_decimal(uint32_t value);
void tg_put_hex32(uint32_t value); /* eight digits, no prefix */
void tg_put_bytes(const void *data, uint32_t bytes);
void tg_put_line_end(void);

#endif
