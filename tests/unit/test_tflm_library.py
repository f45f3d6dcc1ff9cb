"""Choosing TensorFlow Lite Micro's library: small archives in the layouts that upstream makes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.firmware import needs_arm_gcc

from tinygen.board import load_board
from tinygen.build.archive import ArchiveError, Core, core_of, defined_symbols, member_with
from tinygen.build.sizes import Sizes, Symbol
from tinygen.build.tflm import LIBRARY, find_tflm, require_cxx, with_readable_names
from tinygen.build.toolchain import find_toolchain
from tinygen.errors import OptionError, ToolError

INTERPRETER = "_ZN6tflite16MicroInterpreter15AllocateTensorsEv"
PRINTF = "_Z11MicroPrintfPKcz"
CONV_INT8 = "_ZN6tflite21Register_CONV_2D_INT8Ev"
ADD_INT8 = "_ZN6tflite17Register_ADD_INT8Ev"
M4F = ("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard")
M4 = ("-mcpu=cortex-m4", "-mthumb")
M3 = ("-mcpu=cortex-m3", "-mthumb")
M7 = ("-mcpu=cortex-m7", "-mthumb", "-mfpu=fpv5-d16", "-mfloat-abi=hard")
M33 = ("-mcpu=cortex-m33", "-mthumb", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard")
M55 = ("-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard")
CPU = load_board("stm32f4").cpu
GLUE = "resolver.AddConv2D(KWS_REGISTER(CONV_2D)); resolver.AddAdd(KWS_REGISTER(ADD)); resolver.AddReshape();"

pytestmark = needs_arm_gcc


def make_object(path: Path, flags: Sequence[str], symbols: Sequence[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    source = path.with_suffix(".c")
    source.write_text("".join(f"void {name}(void) {{}}\n" for name in symbols) or "int nothing;\n")
    subprocess.run(["arm-none-eabi-gcc", *flags, "-c", source, "-o", path], check=True)
    return path


def make_library(path: Path, flags: Sequence[str] = M4F, symbols: Sequence[str] = (INTERPRETER,)) -> Path:
    """A library whose interpreter is not its first member."""
    folder = path.parent / "objects"
    first = make_object(folder / "a_member_with_a_long_name.o", flags, ["first"])
    second = make_object(folder / "micro_interpreter.o", flags, symbols)
    path.unlink(missing_ok=True)
    subprocess.run(["arm-none-eabi-ar", "rcs", path, first, second], check=True)
    shutil.rmtree(folder)
    return path


def make_headers(root: Path, third_party: str) -> Path:
    header = root / "tensorflow" / "lite" / "micro" / "micro_interpreter.h"
    header.parent.mkdir(parents=True)
    header.touch()
    (root / third_party / "flatbuffers" / "include" / "flatbuffers").mkdir(parents=True)
    return root


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """An exported tree without a library."""
    return make_headers(tmp_path / "tree", "third_party")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout, with upstream's own third_party beside the downloads, and libraries for several cores."""
    root = make_headers(tmp_path / "checkout", "tensorflow/lite/micro/tools/make/downloads")
    (root / "third_party" / "flatbuffers").mkdir(parents=True)
    for name, flags, symbols in (
        ("cortex-m4+fp_release_gcc", M4F, (INTERPRETER,)),
        ("cortex-m4+fp_release_cmsis_nn_gcc", M4F, (INTERPRETER, CONV_INT8)),
        ("cortex-m7+fp_default_cmsis_nn_gcc", M7, (INTERPRETER, CONV_INT8, PRINTF)),
        ("cortex-m3_default_gcc", M3, (INTERPRETER,)),
    ):
        make_library(root / "gen" / f"cortex_m_generic_{name}" / "lib" / LIBRARY, flags, symbols)
    return root


def test_the_board_s_core_and_cmsis_nn_first(checkout: Path) -> None:
    chosen = find_tflm(checkout, CPU)
    assert chosen.library.parent.parent.name == "cortex_m_generic_cortex-m4+fp_release_cmsis_nn_gcc"
    assert (chosen.has_cmsis_nn, chosen.has_messages) == (True, False)
    assert chosen.third_party == checkout / "tensorflow/lite/micro/tools/make/downloads"
    assert "CMSIS-NN, chosen of 2 that run on this core" in chosen.note


def test_names_of_folders_say_nothing(checkout: Path) -> None:
    for folder in (checkout / "gen").iterdir():
        if "m4" in folder.name:
            shutil.rmtree(folder)
    (checkout / "gen" / "cortex_m_generic_cortex-m7+fp_default_cmsis_nn_gcc").rename(
        checkout / "gen" / "cortex_m_generic_cortex-m4+fp_default_cmsis_nn_gcc"
    )
    with pytest.raises(ToolError) as caught:
        find_tflm(checkout, CPU)
    assert caught.value.exit_code == 5
    assert "Armv7E-M, single-precision FPU, hard-float" in caught.value.message
    listed = sorted(caught.value.details)
    assert listed[0].endswith("for Armv7-M, soft-float")
    assert listed[1].endswith("for Armv7E-M, double-precision FPU, hard-float")
    assert "TARGET_ARCH=cortex-m4+fp OPTIMIZED_KERNEL_DIR=cmsis_nn" in caught.value.hint


@pytest.mark.parametrize("place", [f"lib/{LIBRARY}", LIBRARY, "lib/cortex-m4/libtflm.a"])
def test_a_library_in_an_exported_tree(tree: Path, place: str) -> None:
    (tree / place).parent.mkdir(parents=True, exist_ok=True)
    make_library(tree / place)
    chosen = find_tflm(tree, CPU)
    assert chosen.library == tree / place
    assert chosen.third_party == tree / "third_party"
    assert not chosen.has_cmsis_nn


def test_the_library_that_is_named(checkout: Path) -> None:
    """Of a checkout with several, the one that the user wants; the headers are those around it."""
    reference = checkout / "gen" / "cortex_m_generic_cortex-m4+fp_release_gcc" / "lib" / LIBRARY
    chosen = find_tflm(reference, CPU)
    assert (chosen.root, chosen.library, chosen.has_cmsis_nn) == (checkout, reference, False)
    other = checkout / "gen" / "cortex_m_generic_cortex-m7+fp_default_cmsis_nn_gcc" / "lib" / LIBRARY
    with pytest.raises(ToolError, match="no library") as caught:
        find_tflm(other, CPU)
    assert len(caught.value.details) == 1


def test_a_library_for_another_core_is_said_to_be_one(checkout: Path) -> None:
    reference = checkout / "gen" / "cortex_m_generic_cortex-m4+fp_release_gcc" / "lib" / LIBRARY
    own, other = find_tflm(reference, CPU), find_tflm(reference, load_board("mps2-an500").cpu)
    assert own.is_made_for_core
    assert "another core" not in own.note
    assert not other.is_made_for_core
    assert "for another core (Armv7E-M, single-precision FPU, hard-float)" in other.note


def test_cores_and_compilers_that_it_is_not_linked_for(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_library(tree / LIBRARY)
    with pytest.raises(OptionError, match="for Arm cores only, not for rv32imac") as core:
        find_tflm(tree, load_board("qemu-riscv32").cpu)
    assert "--runtime aot" in core.value.hint
    with pytest.raises(OptionError, match="needs GCC: Zig"):
        find_tflm(tree, CPU, "zig")
    monkeypatch.setenv("PATH", str(tree))
    with pytest.raises(ToolError, match="arm-none-eabi-gcc is not on the PATH") as missing:
        find_tflm(tree, CPU)
    assert "libstdc++-arm-none-eabi-newlib" in missing.value.hint


def test_flags_follow_from_symbols(tree: Path) -> None:
    expected = {
        (INTERPRETER,): {"-DTF_LITE_STRIP_ERROR_STRINGS"},
        (INTERPRETER, PRINTF): set(),
        (INTERPRETER, CONV_INT8, ADD_INT8): {"-DTF_LITE_STRIP_ERROR_STRINGS", "-DCMSIS_NN"},
        # An older version: not all that the glue would like to register for int8 alone.
        (INTERPRETER, CONV_INT8): {"-DTF_LITE_STRIP_ERROR_STRINGS", "-DCMSIS_NN", "-DKWS_TFLM_INT8=0"},
    }
    for symbols, defines in expected.items():
        make_library(tree / LIBRARY, M4F, symbols)
        flags = find_tflm(tree, CPU).compile_flags("KWS", GLUE)
        assert {f for f in flags if f.startswith("-D")} == defines | {"-DTF_LITE_STATIC_MEMORY", "-DNDEBUG"}
        assert str(tree / "third_party" / "flatbuffers" / "include") in flags


def test_the_build_tree_gets_a_copy(tree: Path, tmp_path: Path) -> None:
    library = make_library(tree / LIBRARY)
    (tmp_path / "work").mkdir()
    inputs = find_tflm(tree, CPU).link_inputs(tmp_path / "work")
    assert inputs[0] == f"tflm/{LIBRARY}"
    assert (tmp_path / "work" / inputs[0]).read_bytes() == library.read_bytes()


def test_what_is_no_tflm(tmp_path: Path, tree: Path) -> None:
    with pytest.raises(ToolError, match=r"not TensorFlow Lite Micro: tensorflow/lite/micro/micro_interpreter\.h") as no:
        find_tflm(tmp_path, CPU)
    assert "tflite-micro" in no.value.hint
    with pytest.raises(ToolError, match="no library") as none:
        find_tflm(tree, CPU)
    assert none.value.details == ("no library at all in gen/*/lib, lib and the folder itself",)
    make_library(tree / "libother.a", symbols=("other",))
    (tree / "libbroken.a").write_bytes(b"!<arch>\nbroken")
    with pytest.raises(ToolError, match="no library") as others:
        find_tflm(tree, CPU)
    assert others.value.details == (
        "libbroken.a: no member at offset 8",
        "libother.a: not TensorFlow Lite Micro",
    )
    shutil.rmtree(tree / "third_party")
    with pytest.raises(ToolError, match="flatbuffers' headers") as headers:
        find_tflm(tree, CPU)
    assert "third_party_downloads" in headers.value.hint


@pytest.mark.parametrize(
    ("board", "library", "runs"),
    [
        (M4F, M4F, True),
        (M7, M4F, True),
        (M4F, M7, False),  # double precision
        (M4F, M4, False),  # another calling convention
        (M4, M3, True),
        (M3, M4, False),
        (M33, M4F, True),
        (M55, M33, True),
        (M33, M55, False),
    ],
)
def test_which_core_runs_whose_code(tmp_path: Path, board: Sequence[str], library: Sequence[str], runs: bool) -> None:
    cores = [core_of(make_object(tmp_path / n / "x.o", f, []).read_bytes()) for n, f in (("b", board), ("l", library))]
    assert cores[0].runs(cores[1]) == runs
    assert cores[0].runs(cores[0])


def test_riscv_by_its_flags() -> None:
    compressed, plain, hard = (Core("EM_RISCV", flags=flags) for flags in (1, 0, 5))
    assert compressed.runs(plain)
    assert not plain.runs(compressed)
    assert not compressed.runs(hard)
    assert not compressed.runs(Core("EM_ARM"))


def test_archives(tmp_path: Path) -> None:
    library = make_library(tmp_path / "lib.a")
    symbols = defined_symbols(library)
    assert set(symbols) == {"first", INTERPRETER}
    assert member_with(library, symbols[INTERPRETER]).startswith(b"\x7fELF")
    for content in (b"", b"!<arch>\n", library.read_bytes()[:70], b"text"):
        library.write_bytes(content)
        with pytest.raises(ArchiveError):
            defined_symbols(library)
    with pytest.raises(ArchiveError):
        core_of(b"\x7fELF")


def test_names_as_people_write_them() -> None:
    symbols = tuple(Symbol(n, 4, "flash", "runtime", "x.o") for n in (INTERPRETER, "_ZL9kws_arena", "tg_main"))
    sizes = with_readable_names(Sizes(12, {}, 0, 0, symbols, {}), find_toolchain(CPU))
    assert [s.name for s in sizes.symbols] == ["tflite::MicroInterpreter::AllocateTensors", "kws_arena", "tg_main"]


def test_missing_cxx_headers_say_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toolchain = find_toolchain(CPU)
    monkeypatch.setattr("tinygen.build.tflm.CXX_FLAGS", ("-nostdinc",))
    with pytest.raises(ToolError, match="can't compile C\\+\\+") as caught:
        require_cxx(toolchain, tmp_path)
    assert "libstdc++-arm-none-eabi-newlib" in caught.value.hint
