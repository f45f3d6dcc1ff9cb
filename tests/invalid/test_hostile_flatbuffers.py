"""Damaged and hostile files end as one clear error with exit code 2, quickly, and never as anything else."""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Callable, Iterator

import flatbuffers
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.model_builder import schema
from support.sample_models import small_cnn
from support.shared import MLPERF_TFLITE, model_file

from tinygen.errors import InputError, ModelError
from tinygen.ir import to_text
from tinygen.load.tflite import read_graph

# Processor time, generous; a file of these sizes takes a few milliseconds to read.
LIMIT_SECONDS = 3.0
SMALL = small_cnn().build()


def read(data: bytes) -> bool:
    """Read and print a file; whether it was accepted. Any other exception than InputError passes out."""
    started = time.process_time()
    try:
        to_text(read_graph(data, source="h.tflite", name="h"))
        accepted = True
    except InputError as error:
        assert error.exit_code == 2
        assert error.message.startswith("h.tflite: ")
        assert "\n" not in error.message
        accepted = False
    assert time.process_time() - started < LIMIT_SECONDS
    return accepted


def test_every_truncation() -> None:
    # The flatbuffer ends with its deepest data, so that losing one byte already loses something that is needed.
    assert read(SMALL)
    assert not any(read(SMALL[:size]) for size in range(len(SMALL) - 64))
    for size in range(len(SMALL) - 64, len(SMALL)):
        read(SMALL[:size])


def test_truncated_mlperf_model() -> None:
    data = model_file("kws").read_bytes()
    step = max(len(data) // 200, 1)
    assert not any(read(data[:size]) for size in range(0, len(data) - step, step))


def flipped(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    rng = random.Random(seed)
    for _ in range(count):
        damaged = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 8, 64))):
            damaged[rng.randrange(len(damaged))] = rng.choice((rng.randrange(256), 0, 1, 127, 128, 255))
        yield bytes(damaged)


def test_random_bytes_in_a_small_model() -> None:
    accepted = sum(read(data) for data in flipped(SMALL, 4000, seed=1))
    assert 0 < accepted < 4000  # weights may change, structure may not


@pytest.mark.parametrize("name", MLPERF_TFLITE)
def test_random_bytes_in_mlperf_models(name: str) -> None:
    for data in flipped(model_file(name).read_bytes(), 150, seed=2):
        read(data)


def test_each_byte_once() -> None:
    for position in range(len(SMALL)):
        value = SMALL[position] ^ (0x80, 0xFF, 0x01)[position % 3]
        read(SMALL[:position] + bytes([value]) + SMALL[position + 1 :])


@pytest.mark.parametrize("word", [0, 4, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFF0, len(SMALL), len(SMALL) - 4])
def test_each_word_once(word: int) -> None:
    """Absurd lengths, and offsets that point everywhere: to the end, past it, and back to themselves."""
    for position in range(0, len(SMALL) - 4, 4):
        read(SMALL[:position] + struct.pack("<I", word) + SMALL[position + 4 :])


def test_offsets_to_earlier_places() -> None:
    """Offsets are unsigned, but wrap around for readers that add carelessly; soffsets to vtables are signed."""
    for position in range(8, len(SMALL) - 4, 4):
        for target in (0, 8, position - 4):
            word = struct.pack("<I", (target - position) & 0xFFFFFFFF)
            read(SMALL[:position] + word + SMALL[position + 4 :])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
@example(b"")
@example(b"\x00" * 16)
@example(b"\x08\x00\x00\x00TFL3" + b"\x00" * 8)
@example(b"\xff\xff\xff\xffTFL3" + b"\xff" * 64)
def test_arbitrary_bytes(data: bytes) -> None:
    assert not read(data)
    assert not read(struct.pack("<I", 8) + b"TFL3" + data)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(SMALL) // 4 - 1), st.integers(0, 2**32 - 1)), max_size=6))
def test_arbitrary_words(changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(SMALL)
    for index, word in changes:
        damaged[4 * index : 4 * index + 4] = struct.pack("<I", word)
    read(bytes(damaged))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(SMALL)), st.integers(0, len(SMALL)), st.integers(0, len(SMALL)))
def test_parts_of_the_file_in_another_place(start: int, end: int, target: int) -> None:
    part = SMALL[start:end]
    read((SMALL[:target] + part + SMALL[target + len(part) :])[: len(SMALL)])


# Bombs: small files that describe much by letting tables and vectors share their bytes


def shared(builder: flatbuffers.Builder, count: int, table: int) -> int:
    """A vector of ``count`` offsets that all lead to one table."""
    builder.StartVector(4, count, 4)
    for _ in range(count):
        builder.PrependUOffsetTRelative(table)
    return int(builder.EndVector())


def finish(builder: flatbuffers.Builder, tensors: int, operators: int) -> bytes:
    schema.SubGraphStart(builder)
    schema.SubGraphAddTensors(builder, tensors)
    schema.SubGraphAddOperators(builder, operators)
    subgraphs = shared(builder, 1, schema.SubGraphEnd(builder))
    schema.OperatorCodeStart(builder)
    codes = shared(builder, 1, schema.OperatorCodeEnd(builder))
    schema.ModelStart(builder)
    schema.ModelAddVersion(builder, 3)
    schema.ModelAddSubgraphs(builder, subgraphs)
    schema.ModelAddOperatorCodes(builder, codes)
    builder.Finish(schema.ModelEnd(builder), b"TFL3")
    return bytes(builder.Output())


def tensors_with_one_name(count: int) -> bytes:
    builder = flatbuffers.Builder(1024)
    name = builder.CreateString("n" * 4 * count)
    schema.TensorStart(builder)
    schema.TensorAddName(builder, name)
    tensors = shared(builder, count, schema.TensorEnd(builder))
    return finish(builder, tensors, shared(builder, 0, 0))


def operators_with_the_same_inputs(count: int) -> bytes:
    builder = flatbuffers.Builder(1024)
    inputs = builder.CreateNumpyVector(np.zeros(count, np.int32))
    schema.OperatorStart(builder)
    schema.OperatorAddInputs(builder, inputs)
    operators = shared(builder, count, schema.OperatorEnd(builder))
    return finish(builder, shared(builder, 0, 0), operators)


@pytest.mark.parametrize("make", [tensors_with_one_name, operators_with_the_same_inputs])
def test_bomb(make: Callable[[int], bytes]) -> None:
    assert not read(make(2))  # merely a model without inputs
    with pytest.raises(ModelError, match="more elements than the file has room for"):
        read_graph(make(50_000), source="h.tflite", name="h")
    assert not read(make(50_000))
