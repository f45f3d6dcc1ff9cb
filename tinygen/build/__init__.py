"""Cross compiler and linker: from a generated package to firmware images and their sizes."""

from tinygen.build.budget import Budget, Limits, check_budget, usage_table
from tinygen.build.firmware import BuildResult, ImageOverflow, Optimization, build_arena_image, build_firmware
from tinygen.build.sizes import PARTS, Sizes, Symbol, measure_image
from tinygen.build.tflm import Tflm, find_tflm
from tinygen.build.toolchain import Kind, Toolchain, find_toolchain

__all__ = [
    "PARTS",
    "Budget",
    "BuildResult",
    "ImageOverflow",
    "Kind",
    "Limits",
    "Optimization",
    "Sizes",
    "Symbol",
    "Tflm",
    "Toolchain",
    "build_arena_image",
    "build_firmware",
    "check_budget",
    "find_tflm",
    "find_toolchain",
    "measure_image",
    "usage_table",
]
