"""A package in projects of each build system, by the very lines of docs/VENDORING.md."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.vendoring import VECTORS, lines_of, package, program, run

needs_cmake = pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed")
ONE = f"digits {VECTORS}\n"
BOTH = f"digits {VECTORS}\nsmall {VECTORS}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the package ``digits`` and a program that tests it."""
    package("digits").write(tmp_path / "digits")
    (tmp_path / "main.c").write_text(program("digits"))
    return tmp_path


def add_second_model(project: Path) -> None:
    package("small").write(project / "small")
    (project / "main.c").write_text(program("digits", "small"))


def cmake(project: Path, lines: str, *options: str) -> str:
    """Configure, build and run a project with an executable ``app`` and these lines; warnings count as errors."""
    head = "cmake_minimum_required(VERSION 3.13)\nproject(user C)\nadd_executable(app main.c)\n"
    (project / "CMakeLists.txt").write_text(head + lines)
    run(["cmake", "-Werror=dev", "-S", ".", "-B", "build", *options], project)
    run(["cmake", "--build", "build", "-j", "2"], project)
    return run(["build/app"], project)


@needs_cmake
@pytest.mark.parametrize("number", [0, 1], ids=["add_subdirectory", "find_package"])
def test_cmake(project: Path, number: int) -> None:
    assert cmake(project, lines_of("CMake", "cmake", number)) == ONE


@needs_cmake
@pytest.mark.parametrize("prefix", [".", "digits"])
def test_cmake_finds_it_by_prefix(project: Path, prefix: str) -> None:
    lines = "find_package(digits CONFIG REQUIRED)\ntarget_link_libraries(app PRIVATE tinygen::digits)\n"
    assert cmake(project, lines, f"-DCMAKE_PREFIX_PATH={project / prefix}") == ONE


@needs_cmake
def test_cmake_finds_it_installed(project: Path) -> None:
    run(["sh", "-ec", lines_of("CMake", "sh")], project)
    shutil.rmtree(project / "digits")
    shutil.rmtree(project / "build")
    (project / "installed").rename(project / "moved")
    lines = "find_package(digits CONFIG REQUIRED)\nfind_package(digits CONFIG REQUIRED)\n"
    lines += "target_link_libraries(app PRIVATE tinygen::digits)\n"
    assert cmake(project, lines, f"-DCMAKE_PREFIX_PATH={project / 'moved'}") == ONE


@needs_cmake
def test_cmake_two_models(project: Path) -> None:
    """One vendored, one found; a project of C99, which must not reach the packages."""
    add_second_model(project)
    lines = "set(CMAKE_C_STANDARD 99)\nadd_subdirectory(digits)\nfind_package(small CONFIG REQUIRED PATHS small)\n"
    assert cmake(project, lines + "target_link_libraries(app PRIVATE tinygen::digits tinygen::small)\n") == BOTH


@needs_cmake
def test_cmake_leaves_the_users_install_alone(project: Path) -> None:
    assert cmake(project, lines_of("CMake", "cmake") + "install(TARGETS app DESTINATION .)\n") == ONE
    run(["cmake", "--install", "build", "--prefix", project / "installed"], project)
    assert [path.name for path in (project / "installed").rglob("*")] == ["app"]


def test_make(project: Path) -> None:
    """From the documented lines; the first target stays the user's."""
    (project / "Makefile").write_text(lines_of("Make", "make"))
    run(["make", "-j2"], project)
    assert run(["./app"], project) == ONE
    assert "up to date" in run(["make"], project)
    os.utime(project / "digits/include/digits.h")
    assert "digits.o" in run(["make"], project)


def test_the_documented_test(project: Path) -> None:
    """Right at first, and wrong where a vector is."""
    includes = "".join(f"#include <{name}.h>\n" for name in ("stdbool", "string", "digits", "digits_vectors"))
    (project / "main.c").write_text(
        f"{includes}int main(void) {{ {lines_of('Testing', 'c')} return exact ? 3 : 4; }}\n"
    )
    (project / "Makefile").write_text(lines_of("Make", "make"))
    vectors = project / "digits/src/digits_vectors.c"
    for expected in (3, 4):
        run(["make", "-j2"], project)
        assert subprocess.run([project / "app"], timeout=20, check=False).returncode == expected
        head, output = vectors.read_text().split("digits_vectors_output_0")
        vectors.write_text(head + "digits_vectors_output_0" + re.sub("0x[0-9a-f]+", "0x55", output, count=1))


def test_make_two_models_from_elsewhere(project: Path) -> None:
    add_second_model(project)
    (project / "sub").mkdir()
    (project / "sub/Makefile").write_text(
        "CFLAGS := -O1 -Wall -Wextra -Werror\ndigits_BUILD := objects/d\n"
        "include ../digits/digits.mk\ninclude ../small/small.mk\n"
        "app: ../main.c $(digits_LIB) $(small_LIB)\n"
        "\t$(CC) $(CFLAGS) $(digits_CPPFLAGS) $(small_CPPFLAGS) $^ -o $@\n"
    )
    run(["make", "-j2"], project / "sub")
    assert run(["./app"], project / "sub") == BOTH
    assert (project / "sub/objects/d/libdigits.a").exists()
    assert sorted(path.name for path in project.iterdir()) == ["digits", "main.c", "small", "sub"]


def archive(project: Path, name: str) -> Path:
    """The package compiled by hand, with nothing but its include path."""
    folder = project / name
    sources = sorted(map(str, [*folder.glob("src/*.c"), *folder.glob("kernels/**/*.c")]))
    work = project / f"objects_{name}"
    work.mkdir()
    run(["gcc", "-std=c11", "-O1", "-Wall", "-Werror", f"-I{folder / 'include'}", "-c", *sources], work)
    run(["ar", "rcs", f"lib{name}.a", *sorted(path.name for path in work.glob("*.o"))], work)
    return work / f"lib{name}.a"


def link(project: Path) -> subprocess.CompletedProcess[str]:
    archives = [archive(project, name) for name in ("digits", "small")]
    includes = [f"-I{project / name / 'include'}" for name in ("digits", "small")]
    command = ["gcc", *includes, "main.c", *map(str, archives), "-o", "app"]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120, check=False)


def test_models_share_kernels(project: Path) -> None:
    add_second_model(project)
    finished = link(project)
    assert finished.returncode == 0, finished.stderr
    assert run(["./app"], project) == BOTH
    symbols = run(["nm", "app"], project).split()
    assert symbols.count("tg_softmax") == 1


def test_kernels_that_do_not_fit_do_not_link(project: Path) -> None:
    """A package of a tinygen whose kernels are others."""
    add_second_model(project)
    for path in (project / "small/kernels/tg_runtime.h", project / "small/src/small.c"):
        text = path.read_text()
        changed = text.replace("TG_RUNTIME_ABI 1\n", "TG_RUNTIME_ABI 2\n").replace("ABI != 1\n", "ABI != 2\n")
        assert changed != text
        path.write_text(changed)
    finished = link(project)
    assert finished.returncode != 0
    name = "tg_error_packages_are_of_different_tinygen_versions"
    assert "multiple definition of" in finished.stderr and name in finished.stderr
    assert name in " ".join(lines_in_doc())


def lines_in_doc() -> list[str]:
    return (Path(__file__).resolve().parents[2] / "docs/VENDORING.md").read_text().split()


def test_whole_folders_in_an_ide(project: Path) -> None:
    """IDEs compile all that lies below src/ and kernels/, the sources for Arduino among it."""
    folder = project / "digits"
    sources = sorted(map(str, [*folder.rglob("src/**/*.c"), *folder.rglob("kernels/**/*.c")]))
    assert any("arduino" in source for source in sources)
    run(["gcc", "-std=c11", "-Wall", "-Werror", f"-I{folder / 'include'}", "main.c", *sources, "-o", "app"], project)
    assert run(["./app"], project) == ONE


def test_names_of_targets_are_not_taken() -> None:
    """``test.tflite`` is a likely name of a file, and CMake's own target."""
    from tinygen.codegen import model_name

    assert [model_name(name) for name in ("test", "all", "App", "testing")] == [
        "model_test", "model_all", "model_app", "testing"
    ]  # fmt: skip
