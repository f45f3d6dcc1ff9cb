"""A planned program as a C package that firmware projects vendor."""

from tinygen.codegen.names import model_name
from tinygen.codegen.package import ModelSource, Package, generate_package

__all__ = ["ModelSource", "Package", "generate_package", "model_name"]
