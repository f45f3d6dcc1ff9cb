/*
 * ESP32-C3 on the clock that its ROM leaves, with the watchdogs off that guard the boot. Source:
 * ESP32-C3 Technical Reference Manual v1.1, 6.2 (clocks), 12.2 and 12.3 (watchdogs).
 */
#include "tg/clock.h"
#include "tg/register.h"
#include "tg_board.h"

#define TIMG0_WDTCONFIG0 TG_REGISTER(0x6001F048u)
#define TIMG0_WDTWPROTECT TG_REGISTER(0x6001F064u)
#define RTC_CNTL_WDTCONFIG0 TG_REGISTER(0x60008090u)
#define RTC_CNTL_WDTWPROTECT TG_REGISTER(0x600080A8u)
#define RTC_CNTL_SWD_CONF TG_REGISTER(0x600080ACu)
#define RTC_CNTL_SWD_WPROTECT TG_REGISTER(0x600080B0u)
#define WDT_KEY 0x50D83AA1u
#define SWD_KEY 0x8F1D312Au
#define SWD_CONF_DISABLE (1u << 30)

void tg_clock_init(void) {
    TIMG0_WDTWPROTECT = WDT_KEY;
    TIMG0_WDTCONFIG0 = 0u;
    TIMG0_WDTWPROTECT = 0u;
    RTC_CNTL_WDTWPROTECT = WDT_KEY;
    RTC_CNTL_WDTCONFIG0 = 0u;
    RTC_CNTL_WDTWPROTECT = 0u;
    RTC_CNTL_SWD_WPROTECT = SWD_KEY;
    RTC_CNTL_SWD_CONF |= SWD_CONF_DISABLE;
    RTC_CNTL_SWD_WPROTECT = 0u;
}

uint32_t tg_clock_core_hz(void) {
    return TG_CPU_CLOCK_HZ;
}

uint32_t tg_clock_bus_hz(uint32_t bus) {
    (void)bus;
    return TG_CPU_CLOCK_HZ;
}
