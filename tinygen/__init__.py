"""tinygen turns a trained Keras model into verified firmware for a microcontroller."""

__version__ = "0.1.0"

# The contract between generated code and the C runtime in firmware/kernels/tg_runtime.h.
# Raise both together whenever a kernel's parameter struct, signature or result changes.
RUNTIME_ABI = 1
