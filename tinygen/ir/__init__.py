"""The typed graph between loading and code generation, and the program that it becomes."""

from tinygen.ir.graph import Graph, Op, OptionValue, Tensor
from tinygen.ir.interface import ModelInterface, Port
from tinygen.ir.program import SCRATCH, Alias, Call, Constant, Function, Param, Program, Scratch, Step, View
from tinygen.ir.text import to_text
from tinygen.ir.types import Array, DType, Quantization
from tinygen.ir.verify import problems

__all__ = [
    "SCRATCH",
    "Alias",
    "Array",
    "Call",
    "Constant",
    "DType",
    "Function",
    "Graph",
    "ModelInterface",
    "Op",
    "OptionValue",
    "Param",
    "Port",
    "Program",
    "Quantization",
    "Scratch",
    "Step",
    "Tensor",
    "View",
    "problems",
    "to_text",
]
