"""A planned program as a C package that firmware projects vendor."""

from tinygen.codegen.names import model_name
from tinygen.codegen.package import ModelSource, Package, generate_package
from tinygen.codegen.tflm import TflmArena
from tinygen.codegen.vectors import TestVector

__all__ = ["ModelSource", "Package", "TestVector", "TflmArena", "generate_package", "model_name"]
