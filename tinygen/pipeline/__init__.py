"""The way from a model file to verified firmware, stage by stage."""

from tinygen.pipeline.building import build_model, generate_model, inspect_model
from tinygen.pipeline.compiling import Compiled, compile_model
from tinygen.pipeline.options import BuildOptions, ModelOptions, RunOptions
from tinygen.pipeline.validating import ValidateOptions, validate_build

__all__ = [
    "BuildOptions",
    "Compiled",
    "ModelOptions",
    "RunOptions",
    "ValidateOptions",
    "build_model",
    "compile_model",
    "generate_model",
    "inspect_model",
    "validate_build",
]
