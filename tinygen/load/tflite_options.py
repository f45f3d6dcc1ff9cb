"""An operator's builtin options, read by introspection of the schema, so that no operator is known here."""

from __future__ import annotations

import functools
import math
import re
from types import MappingProxyType
from typing import Any

import tflite

from tinygen.ir import OptionValue
from tinygen.load.flatbuffer import Flatbuffer, FlatbufferError

__all__ = ["enum_names", "expected_options", "read_options"]

# Operators whose options table is not named after them; the others follow the convention NAME -> NameOptions.
SHARED_OPTIONS = {
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "L2_POOL_2D": "Pool2DOptions",
    "L2_NORMALIZATION": "L2NormOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "MEAN": "ReducerOptions",
    "SUM": "ReducerOptions",
    "REDUCE_ALL": "ReducerOptions",
    "REDUCE_ANY": "ReducerOptions",
    "REDUCE_MAX": "ReducerOptions",
    "REDUCE_MIN": "ReducerOptions",
    "REDUCE_PROD": "ReducerOptions",
}

# Fields that hold an enum: the accessors give plain numbers, so the schema's Python form no longer says it.
ENUM_FIELDS = {
    "padding": tflite.Padding,
    "fused_activation_function": tflite.ActivationFunctionType,
    "weights_format": tflite.FullyConnectedOptionsWeightsFormat,
}


@functools.cache
def enum_names(enum: Any) -> dict[int, str]:
    """Value -> name of a generated enum class."""
    return {value: name for name, value in vars(enum).items() if isinstance(value, int)}


@functools.cache
def expected_options(kind: str) -> str | None:
    """The options table that belongs to an operator, or ``None`` if it has none (``RELU``)."""
    by_convention = kind.replace("_", "").lower() + "options"
    names = (name for name in enum_names(tflite.BuiltinOptions).values() if name.lower() == by_convention)
    return SHARED_OPTIONS.get(kind) or next(names, None)


def read_options(file: Flatbuffer, operator: Any, kind: str) -> MappingProxyType[str, OptionValue]:
    """All fields of an operator's options table, defaults included; empty if it has no table.

    Raises:
        FlatbufferError: the table is malformed, or not the one that belongs to the operator.
    """
    union_type = operator.BuiltinOptionsType()
    union = operator.BuiltinOptions()
    if union_type == tflite.BuiltinOptions.NONE or union is None:
        return MappingProxyType({})
    name = enum_names(tflite.BuiltinOptions).get(union_type)
    if name is None:
        raise FlatbufferError(f"unknown options table {union_type}")
    if expected_options(kind) not in (None, name):
        raise FlatbufferError(f"{name} where {expected_options(kind)} belong")
    accessor = getattr(tflite, name)()
    accessor.Init(file.data, union.Pos)
    return MappingProxyType(_values(file, file.checked(accessor), name))


def _values(file: Flatbuffer, accessor: Any, name: str) -> dict[str, OptionValue]:
    values: dict[str, OptionValue] = {}
    for field, option, is_vector in _fields(name):
        value = file.numbers(accessor, field) if is_vector else getattr(accessor, field)()
        if isinstance(value, bytes):
            value = file.text(value)
        _check(option, value)
        values[option] = value
    return values


def _check(option: str, value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise FlatbufferError(f"option {option} is {value}")
    if option in ENUM_FIELDS and value not in enum_names(ENUM_FIELDS[option]):
        raise FlatbufferError(f"option {option} has the unknown value {value}")


@functools.cache
def _fields(name: str) -> tuple[tuple[str, str, bool], ...]:
    """Fields of an options table: accessor, name in the schema, and whether it is a vector."""
    members = vars(getattr(tflite, name))
    helpers = re.compile(r"^_|^Init$|^GetRootAs|BufferHasIdentifier$|(AsNumpy|Length|IsNone)$")
    return tuple(
        (member, re.sub(r"(?<!^)(?=[A-Z])", "_", member).lower(), f"{member}Length" in members)
        for member in members
        if not helpers.search(member)
    )
