"""Zig instead of GCC: options, images, sizes, and what goes wrong. And Intel HEX, which no objcopy writes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tests.support.fake_package import fake_interface, write_fake_package
from tests.support.rootless import needs_zig
from tinygen.board import Board, Cpu, load_board
from tinygen.build import BuildResult, build_firmware, find_toolchain
from tinygen.build.archive import core_of
from tinygen.build.zig import compile_options
from tinygen.errors import BudgetError, OptionError, ToolError

M4 = ("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard")


def cpu(*flags: str, features: str = "") -> Cpu:
    return Cpu("any", "cortex_m", "arm-none-eabi", flags, (), frozenset(features.split()), 1)


def build(folder: Path, board: Board | None = None, weights: int = 256) -> BuildResult:
    package = write_fake_package(folder / "package", weights=weights)
    board = board or load_board("stm32f4")
    return build_firmware(package, fake_interface(), board, folder / "out", work_dir=folder / "work", toolchain="zig")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuildResult:
    return build(tmp_path_factory.mktemp("zig"))


@pytest.mark.parametrize(
    ("flags", "features", "expected"),
    [
        (M4, "dsp fpu", "thumb-freestanding-eabihf -mcpu=cortex_m4+vfp4d16sp+dsp"),
        (("-mcpu=cortex-m4", "-mthumb"), "dsp", "thumb-freestanding-eabi -mcpu=cortex_m4+dsp"),
        (("-mcpu=cortex-m0plus", "-mthumb"), "", "thumb-freestanding-eabi -mcpu=cortex_m0plus"),
        (("-mcpu=cortex-m7", "-mfpu=fpv5-d16", "-mfloat-abi=hard"), "fpu", "…eabihf -mcpu=cortex_m7+fp_armv8d16"),
        (("-mcpu=cortex-m33+nodsp", "-mfloat-abi=soft"), "", "thumb-freestanding-eabi -mcpu=cortex_m33"),
        (
            ("-mcpu=cortex-m55", "-mfloat-abi=hard"),
            "dsp fpu mve",
            "thumb-freestanding-eabihf -mcpu=cortex_m55+fp_armv8d16+dsp+mve_fp",
        ),
        (("-march=rv32imac", "-mabi=ilp32"), "", "riscv32-freestanding-none -mcpu=generic_rv32+m+a+c"),
        (("-march=rv32imc_zicsr",), "", "riscv32-freestanding-none -mcpu=generic_rv32+m+c+zicsr"),
    ],
)
def test_options_of_gcc_become_those_of_clang(flags: tuple[str, ...], features: str, expected: str) -> None:
    options = " ".join(compile_options(cpu(*flags, features=features)))
    assert options.startswith("cc -target ")
    assert expected.replace("…", "thumb-freestanding-") + " " in options


def test_a_core_that_zig_is_not_told() -> None:
    with pytest.raises(OptionError, match="zig can't compile with -march=rv64gc"):
        compile_options(cpu("-march=rv64gc"))


@needs_zig
def test_zig_replaces_a_missing_gcc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_toolchain(load_board("stm32f4").cpu).kind == "zig"


def test_no_compiler_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("tinygen.build.zig.find_zig", lambda: None)
    with pytest.raises(ToolError, match="arm-none-eabi-gcc is not on the PATH") as caught:
        find_toolchain(load_board("stm32f4").cpu)
    assert "pip install 'tinygen[rootless]'" in caught.value.hint
    with pytest.raises(ToolError, match="zig is not installed"):
        find_toolchain(load_board("stm32f4").cpu, "zig")


@needs_zig
def test_parts_add_up_to_what_is_loaded(built: BuildResult) -> None:
    sizes = built.sizes
    assert built.compiler.startswith("zig ")
    assert sum(sizes.flash_parts.values()) == sizes.flash_bytes == sum(len(d) for d in loaded(built.elf).values())
    assert sizes.flash_parts["weights"] == 256
    assert 10 < sizes.flash_parts["kernels"] < 200
    assert sizes.flash_parts["padding"] < 32
    assert (sizes.arena_bytes, sizes.static_bytes) == (64, built.sizes.static_bytes)
    assert "compiler_rt.o" in sizes.objects or sizes.flash_parts["c_library"] == 0


@needs_zig
def test_the_core_is_the_boards(built: BuildResult) -> None:
    objects = built.elf.parents[1] / "work" / "obj"
    core = core_of((objects / "src" / "fake.o").read_bytes())
    assert str(core) == "Armv7E-M, single-precision FPU, hard-float"


@needs_zig
def test_images_do_not_depend_on_folders(built: BuildResult, tmp_path: Path) -> None:
    again = build(tmp_path / "somewhere" / "else")
    for first, second in zip(sorted(built.elf.parent.iterdir()), sorted(again.elf.parent.iterdir()), strict=True):
        assert first.read_bytes() == second.read_bytes(), first.name


@needs_zig
def test_flash_overflow_is_a_budget_error(tmp_path: Path) -> None:
    board = load_board("stm32f4")
    small = tuple(replace(r, bytes=4096) if r.name == "FLASH" else r for r in board.memory)
    with pytest.raises(BudgetError, match=r"FLASH needs 1\d,\d+ of 4,096 bytes, [\d,]+ too many"):
        build(tmp_path, replace(board, memory=small), weights=10_000)


@needs_zig
def test_the_hex_file_holds_what_the_image_loads(built: BuildResult) -> None:
    memory, entry = parse_hex(built.hex.read_text())
    assert memory == {a + i: b for a, data in loaded(built.elf).items() for i, b in enumerate(data)}
    with built.elf.open("rb") as stream:
        assert entry == ELFFile(stream)["e_entry"]


def loaded(elf: Path) -> dict[int, bytes]:
    """Contents of flash by address, up to each segment's padding."""
    with elf.open("rb") as stream:
        return {s["p_paddr"]: s.data() for s in ELFFile(stream).iter_segments() if s["p_filesz"]}


def parse_hex(text: str) -> tuple[dict[int, int], int]:
    memory: dict[int, int] = {}
    upper = entry = 0
    for line in text.splitlines():
        record = bytes.fromhex(line.removeprefix(":"))
        assert sum(record) & 0xFF == 0
        count, offset, kind, data = record[0], int.from_bytes(record[1:3], "big"), record[3], record[4:-1]
        assert len(data) == count
        if kind == 0:
            memory |= {(upper << 16) + offset + i: byte for i, byte in enumerate(data)}
        elif kind == 4:
            upper = int.from_bytes(data, "big")
        elif kind == 5:
            entry = int.from_bytes(data, "big")
    return memory, entry
