/*
 * Registers of the Armv6-M, Armv7-M and Armv8-M system control space, as far as start-up needs
 * them. Source: Armv7-M Architecture Reference Manual (DDI 0403E), B3.2; Armv8-M (DDI 0553), D1.2.
 */
#ifndef TG_CORTEX_M_REGISTERS_H
#define TG_CORTEX_M_REGISTERS_H

#include "tg/register.h"

#define SCB_VTOR TG_REGISTER(0xE000ED08u)
#define SCB_CCR TG_REGISTER(0xE000ED14u)
#define SCB_SHCSR TG_REGISTER(0xE000ED24u)
#define SCB_CFSR TG_REGISTER(0xE000ED28u)
#define SCB_HFSR TG_REGISTER(0xE000ED2Cu)
#define SCB_MMFAR TG_REGISTER(0xE000ED34u)
#define SCB_BFAR TG_REGISTER(0xE000ED38u)
#define SCB_CPACR TG_REGISTER(0xE000ED88u)

#define SCB_CCR_DIV_0_TRP (1u << 4)
#define SCB_SHCSR_FAULTS_ENABLED (7u << 16) /* MEMFAULTENA, BUSFAULTENA, USGFAULTENA */
#define SCB_CPACR_CP10_CP11_FULL (0xFu << 20)

#define CFSR_DACCVIOL (1u << 1)
#define CFSR_MSTKERR (1u << 4)
#define CFSR_MLSPERR (1u << 5)
#define CFSR_MMARVALID (1u << 7)
#define CFSR_STKERR (1u << 12)
#define CFSR_BFARVALID (1u << 15)
#define CFSR_STKOF (1u << 20) /* Armv8-M: below MSPLIM */

#define MPU_TYPE TG_REGISTER(0xE000ED90u)
#define MPU_CTRL TG_REGISTER(0xE000ED94u)
#define MPU_RNR TG_REGISTER(0xE000ED98u)
#define MPU_RBAR TG_REGISTER(0xE000ED9Cu)
#define MPU_RASR TG_REGISTER(0xE000EDA0u)

/* Armv6-M (Cortex-M0, M0+) has no VTOR in M0, no configurable faults and no CPACR. */
#if defined(__ARM_ARCH_6M__)
#define TG_HAS_FAULT_STATUS 0
#else
#define TG_HAS_FAULT_STATUS 1
#endif

#if defined(__ARM_ARCH_8M_MAIN__) || defined(__ARM_ARCH_8_1M_MAIN__)
#define TG_HAS_STACK_LIMIT 1
#else
#define TG_HAS_STACK_LIMIT 0
#endif

#endif
