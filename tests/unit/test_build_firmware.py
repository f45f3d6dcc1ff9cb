"""Compiling and linking firmware: images, sizes, budgets, and what goes wrong."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.fake_package import fake_interface, write_fake_package
from tinygen.board import Board, board_names, load_board
from tinygen.build import BuildResult, Limits, build_firmware, check_budget, find_toolchain, usage_table
from tinygen.build.linker import linker_script, rendered_sources
from tinygen.build.sizes import part_of
from tinygen.build.toolchain import Failure, run_tool
from tinygen.errors import BudgetError, OptionError, ToolError
from tinygen.resources import FIRMWARE

GCC = "arm-none-eabi-gcc"
needs_gcc = pytest.mark.skipif(not shutil.which(GCC), reason=f"{GCC} is not installed")
STRICT = ["-Wall", "-Wextra", "-Wconversion", "-Wmissing-prototypes", "-pedantic", "-Werror"]


def build(folder: Path, board: Board | None = None, weights: int = 256, **options: str) -> BuildResult:
    package = write_fake_package(folder / "package", weights=weights)
    return build_firmware(
        package, fake_interface(), board or load_board("stm32f4"), folder / "out", work_dir=folder / "work", **options
    )


def with_sizes(flash: int, ram: int) -> Board:
    board = load_board("stm32f4")
    small = {"FLASH": flash, "SRAM": ram}
    return replace(board, memory=tuple(replace(r, bytes=small.get(r.name, r.bytes)) for r in board.memory))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuildResult:
    return build(tmp_path_factory.mktemp("build"))


@needs_gcc
def test_files(built: BuildResult) -> None:
    for path in (built.elf, built.hex, built.map, built.validate_elf, built.profile_elf):
        assert path.is_file()
    assert sorted(p.name for p in built.elf.parent.iterdir()) == [
        "fake.elf",
        "fake.hex",
        "fake.map",
        "fake_profile.elf",
        "fake_validate.elf",
    ]
    assert built.compiler.startswith("arm-none-eabi-gcc ")


@needs_gcc
def test_parts_add_up_to_what_is_loaded(built: BuildResult) -> None:
    sizes = built.sizes
    assert sum(sizes.flash_parts.values()) == sizes.flash_bytes
    text = subprocess.run(["arm-none-eabi-size", built.elf], capture_output=True, text=True, check=True).stdout
    code, data = (int(word) for word in text.splitlines()[1].split()[:2])
    assert sizes.flash_bytes == code + data
    assert sizes.flash_parts["weights"] == 256
    assert 10 < sizes.flash_parts["kernels"] < 100
    assert sizes.flash_parts["padding"] < 32
    assert sizes.arena_bytes == 64
    assert sizes.static_bytes < 64
    assert {s.name for s in sizes.largest("flash", 3)} >= {"fake_weights"}
    assert sizes.largest("ram", 1)[0].name == "fake_arena"


@needs_gcc
def test_the_application_carries_nothing_of_the_validation(built: BuildResult) -> None:
    names = {symbol.name for symbol in built.sizes.symbols}
    assert not {"tg_vectors", "tg_probe", "tg_crc32", "tg_ticks_start"} & names
    assert built.sizes.flash_bytes < 2600


@needs_gcc
def test_images_do_not_depend_on_folders(built: BuildResult, tmp_path: Path) -> None:
    again = build(tmp_path / "somewhere" / "else")
    for first, second in zip(sorted(built.elf.parent.iterdir()), sorted(again.elf.parent.iterdir()), strict=True):
        assert first.read_bytes() == second.read_bytes(), first.name
    assert str(tmp_path).encode() not in again.validate_elf.read_bytes()


@needs_gcc
def test_debug_information_is_no_flash_at_address_0(tmp_path: Path) -> None:
    """A map counts debug sections from 0, where this board has its flash."""
    sizes = build(tmp_path, load_board("microbit")).sizes
    assert sum(sizes.flash_parts.values()) == sizes.flash_bytes
    assert 0 <= sizes.flash_parts["padding"] < 64


@pytest.mark.parametrize("name", board_names())
def test_firmware_compiles_without_a_warning_for_each_board(tmp_path: Path, name: str) -> None:
    board = load_board(name)
    compiler = shutil.which(f"{board.cpu.toolchain}-gcc")
    if compiler is None:
        pytest.skip(f"{board.cpu.toolchain}-gcc is not installed")
    for file, text in rendered_sources(board, fake_interface()).items():
        (tmp_path / file).write_text(text)
    package = write_fake_package(tmp_path / "package")
    drivers = [("clock", board.clock.driver), ("uart", board.uart.driver), *(("ticks", t.driver) for t in board.ticks)]
    sources = [
        *tmp_path.glob("*.c"),
        *(FIRMWARE / "drivers" / kind / f"{driver}.c" for kind, driver in drivers),
        *(p for folder in (board.cpu.startup, "runtime", "app", "validate") for p in (FIRMWARE / folder).glob("*.c")),
    ]
    # One call for all of them: the compiler goes on to the next after a failure.
    command = [compiler, *board.cpu.flags, "-std=c11", "-ffreestanding", *STRICT, "-Os", "-c"]
    includes = [f"-I{FIRMWARE / 'include'}", f"-I{tmp_path}", f"-I{package / 'include'}"]
    subprocess.run([*command, *includes, *sorted(sources)], check=True, cwd=tmp_path)


@needs_gcc
def test_a_failed_compilation_shows_command_and_messages(tmp_path: Path) -> None:
    package = write_fake_package(tmp_path / "package")
    (package / "src" / "fake.c").write_text("int broken(void) { return nothing; }\n")
    with pytest.raises(ToolError, match="arm-none-eabi-gcc ended with status 1") as caught:
        build_firmware(package, fake_interface(), load_board("stm32f4"), tmp_path / "out", work_dir=tmp_path / "work")
    assert caught.value.details[0].startswith("$ ")
    assert any("'nothing' undeclared" in line for line in caught.value.details)


@needs_gcc
def test_flash_overflow_is_a_budget_error(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"FLASH needs [\d,]+ of 4,096 bytes, [\d,]+ too many") as caught:
        build(tmp_path, with_sizes(4096, 131072), weights=10_000)
    assert caught.value.exit_code == 3
    assert "10,000  .rodata.fake_weights" in caught.value.details[1]


@needs_gcc
def test_ram_overflow_is_a_budget_error(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"SRAM needs [\d,]+ of 1,024 bytes"):
        build(tmp_path, with_sizes(1 << 20, 1024))


@needs_gcc
def test_budget(built: BuildResult) -> None:
    board = load_board("stm32f4")
    budget = check_budget(built.sizes, Limits.of(board), 500)
    assert budget.ram_bytes == built.sizes.static_bytes + 64 + 500
    assert (budget.flash_limit, budget.ram_limit) == (1 << 20, 128 << 10)
    with pytest.raises(BudgetError, match=r"flash [\d,]+ of 1,024 bytes, [\d,]+ too many") as caught:
        check_budget(built.sizes, Limits.of(board, flash="1K"), 500)
    assert any(line.startswith("  weights") for line in caught.value.details)
    with pytest.raises(BudgetError, match="RAM"):
        check_budget(built.sizes, Limits.of(board, ram="512"), 500)


def test_nothing_over_one_mebibyte() -> None:
    assert Limits.of(with_sizes(4 << 20, 8 << 20)) == Limits(1 << 20, 1 << 20)
    assert Limits.of(load_board("stm32f4"), "64K", 1000) == Limits(65536, 1000)


@pytest.mark.parametrize("size", ["much", "0", 0])
def test_limits_that_are_no_sizes(size: str | int) -> None:
    with pytest.raises(OptionError, match="--ram"):
        Limits.of(load_board("stm32f4"), ram=size)


@needs_gcc
def test_usage_table_names_the_stack(built: BuildResult) -> None:
    assert any("not measured yet" in line for line in usage_table(built.sizes))
    assert not any("not measured yet" in line for line in usage_table(built.sizes, 100))


@pytest.mark.parametrize(
    ("object_file", "part"),
    [
        ("obj/kernels/conv/conv.o", "kernels"),
        ("obj/src/kws.o", "generated"),
        ("obj/src/kws_weights.o", "weights"),
        ("obj/probed/kws_weights.o", "weights"),
        ("obj/tflm/kws_model.o", "weights"),
        ("obj/firmware/app/main.o", "application"),
        ("/usr/lib/gcc/arm-none-eabi/libgcc.a(_udivsi3.o)", "c_library"),
        ("tflm/libtensorflow-microlite.a(conv.o)", "runtime"),
        ("tflm/libtensorflow-microlite.a(arm_convolve_s8.o)", "kernels"),
    ],
)
def test_parts(object_file: str, part: str) -> None:
    assert part_of(object_file) == part


def test_linker_script_has_one_region_a_line() -> None:
    script = linker_script(load_board("stm32f4"), vectors=True)
    assert "    FLASH (rx) : ORIGIN = 0x08000000, LENGTH = 1048576\n" in script
    assert "    CCM (rwx) : ORIGIN = 0x10000000, LENGTH = 65536\n" in script
    assert ".tg_vectors" not in linker_script(load_board("stm32f4"), vectors=False)


def test_a_missing_compiler_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="arm-none-eabi-gcc is not on the PATH") as caught:
        find_toolchain(load_board("stm32f4").cpu, "gcc")
    assert "apt install gcc-arm-none-eabi" in caught.value.hint
    assert caught.value.exit_code == 5


def test_tools_are_stopped_in_time(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"did not end within 0\.2 s") as caught:
        run_tool(["/bin/sh", "-c", "echo begun; sleep 60"], cwd=tmp_path, seconds=0.2)
    assert caught.value.output == "begun\n"


def test_tools_that_can_not_be_started(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="can't be started"):
        run_tool([str(tmp_path / "none")], cwd=tmp_path)
