"""From a model file to a C package."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from tinygen.board import Board
from tinygen.codegen import ModelSource, Package, TestVector, TflmArena, generate_package, model_name
from tinygen.compress import Compressed
from tinygen.convert import to_int8
from tinygen.forms import Choice, Target, choose
from tinygen.ir import Graph, ModelInterface
from tinygen.load import SourceKind, detect
from tinygen.load.dataset import Dataset, load_dataset
from tinygen.load.source import hash_source, read_flatbuffer
from tinygen.load.tflite import read_graph
from tinygen.load.vectors import random_vectors
from tinygen.lower import live_operator, lower
from tinygen.optimize import PassEffect, optimize
from tinygen.oracle import reference_outputs, tflm_arena_bytes
from tinygen.pipeline.compressing import compress, compression_note, judged_samples
from tinygen.pipeline.options import ModelOptions
from tinygen.pipeline.stages import Stages
from tinygen.plan import MemoryPlan, plan, without_copies

__all__ = ["Compiled", "LoadedModel", "compile_again", "compile_model", "load_model", "target_of"]

# Test vectors in the package: so many, if their inputs keep to so many bytes.
_TEST_VECTORS, _TEST_VECTOR_BYTES = 4, 16 << 10


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """The model as a flatbuffer and as a graph, with the data that came along.

    Attributes:
        dataset: the samples; of a compressed model, only those that nothing was trained on or chosen by.
        float_outputs: the float model's outputs on all samples of ``dataset``, before compression; ``None`` for
            .tflite.
        original_outputs: of the model before compression, float if there is such a model; ``None`` where no other
            than the one at hand is known.
        compressed: what a recipe made of it, if there was one.
    """

    name: str
    file: str
    sha256: str
    flatbuffer: bytes
    graph: Graph
    dataset: Dataset | None
    float_outputs: tuple[NDArray[Any], ...] | None
    original_outputs: tuple[NDArray[Any], ...] | None
    notes: tuple[str, ...]
    compressed: Compressed | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """A model on its way to C, with all that the stages found out."""

    loaded: LoadedModel
    graph: Graph
    effects: tuple[PassEffect, ...]
    choice: Choice
    memory: MemoryPlan
    interface: ModelInterface
    arena: TflmArena
    vectors: tuple[TestVector, ...]
    options: Mapping[str, object]
    package: Package

    def with_arena(self, arena: TflmArena) -> Compiled:
        """The same with another arena for TensorFlow Lite Micro."""
        package = _package(self.loaded, self.choice, self.memory, self.interface, arena, self.vectors, self.options)
        return replace(self, arena=arena, package=package)

    @property
    def macs(self) -> int:
        """Multiply-accumulates as the model file says."""
        return graph_macs(self.loaded.graph)

    @property
    def live_macs(self) -> int:
        """Multiply-accumulates that remain after the exact passes."""
        return graph_macs(self.graph)

    @property
    def op_counts(self) -> dict[str, int]:
        return dict(sorted(Counter(op.kind for op in self.loaded.graph.ops).items()))


def load_model(options: ModelOptions, stages: Stages) -> LoadedModel:
    """Read a model of any kind; a float model is quantized on the data."""
    path = options.model
    with stages.stage("load", f"reading {path.name}"):
        kind = detect(path)
        name = model_name(options.name or path.stem)
        sha256 = hash_source(path)
        dataset = load_dataset(options.data) if options.data else None
    float_outputs: tuple[NDArray[Any], ...] | None = None
    original: tuple[NDArray[Any], ...] | None = None
    notes: tuple[str, ...] = ()
    compressed = None
    if options.recipe is not None:
        with stages.stage("compress", f"compressing by recipe {options.recipe}"):
            compressed = compress(options, kind, dataset, stages.progress)
        flatbuffer, dataset, original = compressed.tflite, *judged_samples(compressed, dataset)
        float_outputs = None if kind is SourceKind.TFLITE else original
        notes = (compression_note(compressed),)
    elif kind is SourceKind.TFLITE:
        flatbuffer = read_flatbuffer(path)
    else:
        with stages.stage("convert", "quantizing to int8"):
            conversion = to_int8(
                path, kind, dataset, allow_custom_code=options.allow_custom_code, on_progress=stages.progress
            )
        flatbuffer, float_outputs, notes = conversion.tflite, conversion.float_outputs, conversion.notes
        original = float_outputs
    graph = read_graph(flatbuffer, source=path.name, name=name)
    return LoadedModel(name, path.name, sha256, flatbuffer, graph, dataset, float_outputs, original, notes, compressed)


def compile_model(
    options: ModelOptions,
    target: Target,
    stages: Stages,
    loaded: LoadedModel | None = None,
    flash_limit: int | None = None,
) -> Compiled:
    """From a model file to a C package, without touching the disk.

    Args:
        loaded: if the model was read before.
        flash_limit: bytes that constants, their descriptions and kernels should keep to.
    """
    loaded = loaded or load_model(options, stages)
    with stages.stage("optimize", "optimizing the graph"):
        graph, effects = optimize(loaded.graph)
    lower(graph, source=loaded.file)  # names all that can't be translated, before the reference stumbles over one
    arena, vectors = _reference_arena(loaded), _reference_vectors(loaded)
    return _generate(loaded, graph, effects, arena, vectors, options, target, stages, flash_limit)


def compile_again(
    compiled: Compiled, options: ModelOptions, target: Target, stages: Stages, flash_limit: int
) -> Compiled:
    """The same model again, with forms that keep to another limit."""
    loaded, graph, effects = compiled.loaded, compiled.graph, compiled.effects
    return _generate(loaded, graph, effects, compiled.arena, compiled.vectors, options, target, stages, flash_limit)


def _generate(
    loaded: LoadedModel,
    graph: Graph,
    effects: tuple[PassEffect, ...],
    arena: TflmArena,
    vectors: tuple[TestVector, ...],
    options: ModelOptions,
    target: Target,
    stages: Stages,
    flash_limit: int | None,
) -> Compiled:
    with stages.stage("lower", "choosing kernels"):
        program = without_copies(lower(graph, source=loaded.file))
        choice = choose(program, target, options.mode, flash_limit=flash_limit)
    with stages.stage("plan", "planning the arena"):
        memory = plan(choice.program)
    with stages.stage("codegen", "writing C"):
        interface = ModelInterface.of(graph, loaded.name)
        recorded: dict[str, object] = {"optimize": options.mode.value, "dsp": target.dsp, "mve": target.mve}
        if flash_limit is not None:
            recorded["flash_limit"] = flash_limit
        package = _package(loaded, choice, memory, interface, arena, vectors, recorded)
    return Compiled(loaded, graph, effects, choice, memory, interface, arena, vectors, recorded, package)


def _package(
    loaded: LoadedModel,
    choice: Choice,
    memory: MemoryPlan,
    interface: ModelInterface,
    arena: TflmArena,
    vectors: tuple[TestVector, ...],
    options: Mapping[str, object],
) -> Package:
    source = ModelSource(loaded.file, loaded.sha256, loaded.flatbuffer, arena, vectors)
    return generate_package(choice.program, memory, interface, source, macs=graph_macs(loaded.graph), options=options)


def graph_macs(graph: Graph) -> int:
    """Multiply-accumulates of one inference; operators that tinygen doesn't know count none."""
    return sum(live_operator(op).macs(op, graph) for op in graph.ops)


def target_of(board: Board | None) -> Target:
    """What the board's core lets kernels use; without a board, only portable C."""
    if board is None:
        return Target()
    return Target(dsp="dsp" in board.cpu.features, mve="mve" in board.cpu.features)


def _reference_arena(loaded: LoadedModel) -> TflmArena:
    return TflmArena(
        tflm_arena_bytes(loaded.flatbuffer, name=loaded.file),
        "The smallest arena with which the 64-bit reference interpreter runs this model; 32-bit cores need less.",
    )


def _reference_vectors(loaded: LoadedModel) -> tuple[TestVector, ...]:
    """Random ones: the user's samples are nothing to hand on unasked."""
    interface = ModelInterface.of(loaded.graph, loaded.name)
    count = _TEST_VECTOR_BYTES // max(sum(port.bytes for port in interface.inputs), 1)
    inputs = random_vectors(interface, min(max(count, 1), _TEST_VECTORS))
    outputs = reference_outputs(loaded.flatbuffer, inputs, name=loaded.file)
    return tuple(TestVector(x, y) for x, y in zip(inputs, outputs, strict=True))
