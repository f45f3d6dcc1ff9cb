"""Compiles a generated package with the host's gcc under sanitizers, and runs it on vectors.

The kernels are compiled once for a whole test session; each model adds three small files.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.codegen import ModelSource, Package, TestVector, TflmArena, generate_package
from tinygen.ir import Graph, ModelInterface, Program
from tinygen.load.tflite import read_graph
from tinygen.load.vectors import random_vectors as random_inputs
from tinygen.lower import lower
from tinygen.optimize import optimize as run_passes
from tinygen.oracle import InProcessOracle
from tinygen.plan import MemoryPlan, plan, without_copies
from tinygen.resources import FIRMWARE

Vector = tuple[NDArray[Any], ...]
Transform = Callable[[Program], Program]

CFLAGS = ["-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Wconversion", "-Wmissing-prototypes", "-pedantic", "-Werror"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
TIME_LIMIT = 60

_DRIVER = """\
#include <stdio.h>
{model}
int main(void) {{
    if (m_init() != M_OK) {{ return 2; }}
    for (;;) {{
{reads}
{before}
        if (m_invoke() != M_OK) {{ return 3; }}
{writes}
    }}
}}
"""


@dataclass(frozen=True)
class Compiled:
    """All that came of a flatbuffer on its way to C."""

    graph: Graph
    program: Program
    memory: MemoryPlan
    package: Package


def compile_model(
    tflite: bytes,
    *,
    name: str = "m",
    transform: Transform | None = None,
    optimize: bool = False,
    views: bool = True,
    vectors: int = 0,
) -> Compiled:
    """Flatbuffer to package, through the same stages as the product.

    Args:
        transform: replaces calls by other forms.
        optimize: run the exact graph passes first.
        views: leave out copies, as the product does.
        vectors: how many test vectors the package brings along.
    """
    graph = read_graph(tflite, source="test.tflite", name=name)
    graph = run_passes(graph)[0] if optimize else graph
    program = lower(graph, source="test.tflite")
    program = without_copies(program) if views else program
    program = transform(program) if transform else program
    memory = plan(program)
    interface = ModelInterface.of(graph, name)
    tests = tuple(TestVector(x, _reference(tflite, x)) for x in random_inputs(interface, vectors))
    source = ModelSource("test.tflite", "0" * 64, tflite, TflmArena(1 << 20, "Not measured."), tests)
    package = generate_package(program, memory, interface, source, macs=0, options={})
    return Compiled(graph, program, memory, package)


def _reference(tflite: bytes, vector: Vector) -> Vector:
    return tuple(np.asarray(y) for y in InProcessOracle(tflite).run(*vector))


class HostModel:
    """A generated model, compiled for this machine with ASan and UBSan."""

    sources = ("src/m.c", "src/m_weights.c", "driver.c")

    def __init__(self, compiled: Compiled, folder: Path) -> None:
        self.compiled = compiled
        self.interface = ModelInterface.of(compiled.graph, "m")
        self._binary = folder / "model"
        compiled.package.write(folder)
        (folder / "driver.c").write_text(self._driver())
        sources = [folder / source for source in self.sources]
        includes = [f"-I{folder / d}" for d in ("include", "src", "kernels")]
        _gcc([*CFLAGS, *SANITIZERS, *includes, *map(str, sources), str(kernel_library()), "-o", str(self._binary)])

    def _driver(self, model: str = '#include "m.h"', before: str = "") -> str:
        """The program that runs the model; ``model`` declares it, ``before`` comes before each inference."""
        reads = "\n".join(
            f"        if (fread(m_input_{p.index}(), 1, {p.bytes}, stdin) != {p.bytes}) {{ return 0; }}"
            for p in self.interface.inputs
        )
        writes = "\n".join(
            f"        fwrite(m_output_{p.index}(), 1, {p.bytes}, stdout);" for p in self.interface.outputs
        )
        return _DRIVER.format(model=model, reads=reads, before=before, writes=writes)

    def run(self, vectors: Sequence[Vector]) -> list[Vector]:
        """Outputs for each vector. Several inferences share one process, so stale memory would show."""
        stdin = b"".join(np.ascontiguousarray(x).tobytes() for vector in vectors for x in vector)
        finished = subprocess.run(
            [self._binary], input=stdin, capture_output=True, timeout=TIME_LIMIT, check=False, env=_sanitizer_env()
        )
        assert finished.returncode == 0, finished.stderr.decode(errors="replace")[-4000:]
        return list(self._split(finished.stdout, len(vectors)))

    def _split(self, data: bytes, count: int) -> Any:
        position = 0
        for _ in range(count):
            outputs = []
            for port in self.interface.outputs:
                chunk = data[position : position + port.bytes]
                outputs.append(np.frombuffer(chunk, port.dtype.numpy).reshape(port.shape))
                position += port.bytes
            yield tuple(outputs)
        assert position == len(data)


def random_vectors(graph: Graph, rng: np.random.Generator, count: int = 4) -> list[Vector]:
    """Random vectors and the extremes: all lowest, all highest, alternating."""
    vectors = [tuple(_random(graph, t, rng) for t in graph.inputs) for _ in range(count)]
    for pattern in ((0, 0), (1, 1), (0, 1), (1, 0)):
        vectors.append(tuple(_extreme(graph, t, pattern) for t in graph.inputs))
    return vectors


def _random(graph: Graph, index: int, rng: np.random.Generator) -> NDArray[Any]:
    tensor = graph.tensors[index]
    dtype = tensor.dtype.numpy
    if dtype.kind == "f":
        return (rng.standard_normal(tensor.shape) * 4).astype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, tensor.shape).astype(dtype)
    limits = np.iinfo(tensor.dtype.value)
    return rng.integers(limits.min, limits.max, tensor.shape, dtype=dtype.newbyteorder("="), endpoint=True)


def _extreme(graph: Graph, index: int, pattern: tuple[int, int]) -> NDArray[Any]:
    """The lowest (0) and highest (1) values, repeated in this pattern."""
    tensor = graph.tensors[index]
    kind = tensor.dtype.numpy.kind
    bounds = (-100.0, 100.0) if kind == "f" else (0, 1) if kind == "b" else _limits(tensor.dtype.value)
    values = np.resize(np.array([bounds[i] for i in pattern]), tensor.elements)
    return values.astype(tensor.dtype.numpy).reshape(tensor.shape)


def _limits(dtype: str) -> tuple[int, int]:
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max)


def assert_exact(
    tflite: bytes,
    folder: Path,
    seed: int = 0,
    vectors: Sequence[Vector] | None = None,
    transform: Transform | None = None,
    *,
    optimize: bool = False,
) -> Compiled:
    """Generated C equals the reference interpreter bit for bit on random and extreme vectors."""
    compiled = compile_model(tflite, transform=transform, optimize=optimize)
    chosen = list(vectors or random_vectors(compiled.graph, np.random.default_rng(seed)))
    assert_equals_reference(HostModel(compiled, folder), tflite, chosen)
    return compiled


def assert_equals_reference(model: HostModel, tflite: bytes, vectors: Sequence[Vector]) -> None:
    """Every output of a compiled model equals the reference interpreter's."""
    oracle = InProcessOracle(tflite)
    for number, (vector, outputs) in enumerate(zip(vectors, model.run(vectors), strict=True)):
        expected = oracle.run(*vector)
        for port, (e, a) in enumerate(zip(expected, outputs, strict=True)):
            e = np.asarray(e).reshape(a.shape)
            if e.tobytes() != a.tobytes():
                wrong = np.flatnonzero(e.reshape(-1) != a.reshape(-1))
                first = int(wrong[0]) if wrong.size else -1
                raise AssertionError(
                    f"vector {number}, output {port}: {wrong.size} of {a.size} values differ, the first at {first}: "
                    f"{a.reshape(-1)[first]} instead of {e.reshape(-1)[first]}"
                )


@cache
def kernel_library() -> Path:
    """All portable kernels as one archive, compiled under sanitizers; made once, removed at exit."""
    import atexit

    folder = Path(mkdtemp(prefix="tinygen-kernels-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    sources = sorted((FIRMWARE / "kernels").rglob("*.c"))
    objects = [folder / f"{i}.o" for i in range(len(sources))]
    include = f"-I{FIRMWARE / 'kernels'}"
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(
            pool.map(
                lambda pair: _gcc([*CFLAGS, *SANITIZERS, include, "-c", str(pair[0]), "-o", str(pair[1])]),
                zip(sources, objects, strict=True),
            )
        )
    archive = folder / "libkernels.a"
    subprocess.run(["ar", "rcs", archive, *objects], check=True, timeout=TIME_LIMIT)
    return archive


def _gcc(arguments: Sequence[str]) -> None:
    finished = subprocess.run(["gcc", *arguments], capture_output=True, text=True, timeout=TIME_LIMIT, check=False)
    assert finished.returncode == 0, f"gcc {' '.join(arguments)}\n{finished.stderr[-6000:]}"


def _sanitizer_env() -> dict[str, str]:
    # The models allocate nothing, and leak checking needs ptrace, which containers often forbid.
    return {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
