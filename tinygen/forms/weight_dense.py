"""Fully connected layers from 4-bit codes without decoding: form ``lut4``.

``tg_fully_connected_lut4.h`` describes the layout.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tinygen.forms.form import Candidate, Form, Target, register
from tinygen.forms.fully_connected import row_lead
from tinygen.ir import Call, Constant, Graph, Param

__all__ = ["FullyConnectedLut4"]

STEP = 8
VALUES = 16
TABLE_BYTES = 1024

# Measured on the autoencoder of MLPerf Tiny (Cortex-M4, -O2): a step of two rows, two rows besides, widening a step,
# the table.
STEP_INSTRUCTIONS = 27
ROWS_INSTRUCTIONS = 75
WIDEN_INSTRUCTIONS = 13
TABLE_INSTRUCTIONS = 1200


@register
class FullyConnectedLut4(Form):
    """At most 16 values; any factors."""

    replaces: ClassVar = ("tg_fully_connected",)

    def candidates(self, call: Call, graph: Graph, target: Target) -> Iterator[Candidate]:
        p = {name: value for name, value in call.params.items() if isinstance(value, int)}
        weights, channels = call.params["weights"], call.params["channels"]
        assert isinstance(weights, Constant) and isinstance(channels, Mapping)
        matrix = np.asarray(weights.data).reshape(p["outputs"], p["inputs"])
        values = np.unique(matrix)
        if not target.dsp or p["outputs"] < 2 or values.size > VALUES:
            return
        params: dict[str, Param] = {
            **{name: p[name] for name in ("batches", "inputs", "outputs")},
            "output_zero_point": p["output_zero_point"],
            "output_min": p["output_min"],
            "output_max": p["output_max"],
            "codes": Constant("codes", _codes(np.searchsorted(values, matrix))),
            "values": Constant("values", np.pad(values, (0, VALUES - values.size), mode="edge")),
            "channels": channels,
        }
        steps = -(-p["inputs"] // STEP)
        rows = -(-p["outputs"] // 2) * (ROWS_INSTRUCTIONS + STEP_INSTRUCTIONS * steps)
        yield Candidate(
            form="lut4",
            calls=(
                replace(
                    call,
                    kernel="tg_fully_connected_lut4",
                    header="weights/tg_fully_connected_lut4.h",
                    sources=("weights/tg_fully_connected_lut4.c", "dense/tg_dense_widen.c"),
                    params=params,
                    scratch_bytes=TABLE_BYTES + 2 * STEP * steps,
                    lead=row_lead(p["batches"], p["inputs"], p["outputs"]),
                ),
            ),
            instructions=TABLE_INSTRUCTIONS + p["batches"] * (rows + WIDEN_INSTRUCTIONS * steps),
            reason=f"{values.size} values in 4 bits, two looked up at a time",
        )


def _codes(places: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Bytes of the codes of k0 and k2, k1 and k3 for every four inputs."""
    filled = np.pad(places, ((0, 0), (0, -places.shape[1] % STEP))).reshape(len(places), -1, 4)
    return np.stack([filled[..., 0] | filled[..., 2] << 4, filled[..., 1] | filled[..., 3] << 4], axis=-1).astype(
        np.uint8
    )
