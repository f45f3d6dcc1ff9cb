"""Element types and quantization parameters."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "DType", "Quantization"]

Array = NDArray[np.generic]


class DType(Enum):
    """Element type of a tensor; the value is numpy's name of it."""

    INT8 = "int8"
    UINT8 = "uint8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT32 = "float32"
    BOOL = "bool"

    @property
    def numpy(self) -> np.dtype[np.generic]:
        """The little-endian numpy type."""
        return np.dtype(self.value).newbyteorder("<")

    @property
    def bytes(self) -> int:
        """Size of one element in bytes."""
        return self.numpy.itemsize

    @property
    def c_type(self) -> str:
        """The C11 type of one element."""
        return {"float32": "float", "bool": "bool"}.get(self.value, f"{self.value}_t")


@dataclass(frozen=True, slots=True)
class Quantization:
    """Affine quantization: real = scale * (stored - zero_point).

    Attributes:
        scales: float32 values, one for the whole tensor or one for each slice along ``axis``.
        zero_points: as many as ``scales``.
        axis: the quantized dimension when there are several scales, else 0.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int = 0

    @property
    def per_tensor(self) -> bool:
        return len(self.scales) == 1

    @property
    def scale(self) -> float:
        """The only scale of a per-tensor quantization."""
        (scale,) = self.scales
        return scale

    @property
    def zero_point(self) -> int:
        """The only zero point of a per-tensor quantization."""
        (zero_point,) = self.zero_points
        return zero_point
