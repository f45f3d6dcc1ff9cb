"""The steps of a recipe, by kind: each is ``run(state, settings, context) -> state``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tinygen.compress.sensitivity import sensitivity
from tinygen.compress.state import Context, State
from tinygen.compress.steps.clustering import cluster, fold
from tinygen.compress.steps.dynamic import lottery, rigl
from tinygen.compress.steps.factorizing import low_rank
from tinygen.compress.steps.pruning import prune
from tinygen.compress.steps.quantizing import ptq, qat
from tinygen.compress.steps.rounding import round_cluster, sparsify_int8
from tinygen.compress.steps.shrinking import structured
from tinygen.compress.steps.tuning import distill, finetune

__all__ = ["RUN"]

RUN: Mapping[str, Callable[[State, Any, Context], State]] = {
    "cluster": cluster,
    "distill": distill,
    "finetune": finetune,
    "fold_batchnorm": fold,
    "lottery": lottery,
    "low_rank": low_rank,
    "prune": prune,
    "ptq": ptq,
    "qat": qat,
    "rigl": rigl,
    "round_cluster": round_cluster,
    "sensitivity": sensitivity,
    "sparsify_int8": sparsify_int8,
    "structured": structured,
}
