#include "tg_runtime.h"

/* Packages in one program share kernels: the linker takes each from the first archive that has it.
 * A package of another ABI asks for another mark, brings its own copy of this file with it, and so
 * a second definition of the last name, at which linking ends. */
const uint8_t TG_ABI_MARK = TG_RUNTIME_ABI;
const uint8_t tg_error_packages_are_of_different_tinygen_versions = TG_RUNTIME_ABI;
