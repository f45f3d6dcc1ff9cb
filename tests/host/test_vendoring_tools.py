"""The package under the tools of PlatformIO and Arduino, and as a Zephyr module.

Each tool gets a platform of its own that compiles for this machine, so that nothing has to be downloaded and the
program can be run.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from support.vendoring import VECTORS, lines_of, package, program, run

BOTH = f"digits {VECTORS}\nsmall {VECTORS}\n"
needs_arduino_builder = pytest.mark.skipif(
    shutil.which("arduino-builder") is None, reason="arduino-builder is not installed"
)


def write(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with two packages that share kernels."""
    for name in ("digits", "small"):
        package(name).write(tmp_path / name)
    return tmp_path


# ---- PlatformIO


@pytest.fixture
def platformio(tmp_path: Path) -> dict[str, str]:
    """PlatformIO's environment, with SCons from the Python environment in place of its download."""
    pytest.importorskip("platformio", reason="platformio is not installed")
    pytest.importorskip("SCons", reason="scons is not installed")
    from platformio.dependencies import get_core_dependencies

    version = get_core_dependencies()["tool-scons"].lstrip("~^")
    scons = {"name": "tool-scons", "version": version}
    installed = {"type": "tool", **scons, "spec": {"owner": "platformio", **dict.fromkeys(("id", "uri"))}}
    installed["spec"] |= {"name": "tool-scons", "requirements": None}
    write(
        tmp_path / "core/packages/tool-scons",
        {
            "package.json": json.dumps(scons),
            ".piopm": json.dumps(installed),
            "scons.py": "from SCons.Script import main\nmain()\n",
        },
    )
    return {
        **os.environ,
        "PLATFORMIO_CORE_DIR": str(tmp_path / "core"),
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
    }


def test_platformio_builds(models: Path, platformio: dict[str, str]) -> None:
    """One package by the documented line, the other one by lying in ``lib/``."""
    (models / "lib").mkdir()
    (models / "small").rename(models / "lib/small")
    write(
        models,
        {
            "src/main.c": program("digits", "small"),
            "platformio.ini": f"[env:host]\nplatform = symlink://host\n{lines_of('PlatformIO', 'ini')}",
            "host/platform.json": json.dumps({"name": "host", "version": "1.0.0", "title": "This machine"}),
            "host/platform.py": (
                "from platformio.public import PlatformBase\n\n\nclass HostPlatform(PlatformBase):\n    pass\n"
            ),
            "host/builder/main.py": (
                "from SCons.Script import Default, DefaultEnvironment\n\nDefault(DefaultEnvironment().BuildProgram())\n"
            ),
        },
    )
    out = run([sys.executable, "-m", "platformio", "run", "-v"], models, platformio)
    assert "digits @ 0.1.0" in out and "small @ 0.1.0" in out
    assert "src/arduino" not in out
    assert run([".pio/build/host/program"], models) == BOTH


def test_platformio_packs(models: Path, platformio: dict[str, str]) -> None:
    """Packing checks ``library.json`` against PlatformIO's schema."""
    out = run([sys.executable, "-m", "platformio", "pkg", "pack", "digits", "-o", "digits.tar.gz"], models, platformio)
    assert "Wrote a tarball" in out
    names = run(["tar", "-tzf", "digits.tar.gz"], models).split()
    assert {"library.json", "include/digits.h", "src/digits.c"} <= set(names)


# ---- Arduino

_BOARD = """\
name=host
version=1.0.0
recipe.preproc.macros=g++ -w -x c++ -E -CC {{flags}} {{includes}} "{{source_file}}" -o "{{preprocessed_file_path}}"
recipe.c.o.pattern=gcc -c {warnings} {{flags}} {{includes}} "{{source_file}}" -o "{{object_file}}"
recipe.cpp.o.pattern=g++ -c {warnings} {{flags}} {{includes}} "{{source_file}}" -o "{{object_file}}"
recipe.ar.pattern=ar rcs "{{archive_file_path}}" "{{object_file}}"
recipe.c.combine.pattern=g++ -o "{{build.path}}/app" {{object_files}} "{{build.path}}/{{archive_file}}"
flags=-O1 -MMD -DARDUINO={{runtime.ide.version}}
"""
_CORE = '#include "Arduino.h"\nextern bool passed;\nint main() { setup(); return !passed; }\n'
_SKETCH = "bool passed;\nvoid setup() {{ passed = {all}; }}\nvoid loop() {{}}"


@needs_arduino_builder
def test_arduino_builds_a_sketch(models: Path) -> None:
    """The builder of the IDE, over a board whose core runs ``setup()`` alone."""
    core = "hardware/tinygen/host"
    write(
        models,
        {
            f"{core}/platform.txt": _BOARD.format(warnings="-Wall -Wextra -Werror"),
            f"{core}/boards.txt": "host.name=This machine\nhost.build.core=host\nhost.build.board=HOST\n",
            f"{core}/cores/host/Arduino.h": "void setup();\nvoid loop();\n",
            f"{core}/cores/host/main.cpp": _CORE,
            "sketch/sketch.ino": program("digits", "small", end=_SKETCH),
        },
    )
    home = {**os.environ, "HOME": str(models)}
    libraries = models / "Arduino/libraries"
    libraries.mkdir(parents=True)
    for name in ("digits", "small"):
        run(["sh", "-ec", lines_of("Arduino", "sh").replace("digits", name)], models, home)
    (models / "build").mkdir()
    command = ["arduino-builder", "-compile", "-hardware", models / "hardware", "-tools", models / "hardware"]
    command += ["-hardware", "/usr/share/arduino-builder", "-libraries", libraries, "-fqbn", "tinygen:host:host"]
    run([*command, "-build-path", models / "build", models / "sketch/sketch.ino"], models, home)
    assert run(["build/app"], models) == BOTH


def test_arduino_library_properties() -> None:
    """What the Arduino library specification (rev. 2.2) demands."""
    files = package("digits").files
    lines = files["library.properties"].decode().splitlines()
    fields = dict(line.split("=", 1) for line in lines)
    required = "name version author maintainer sentence paragraph category url architectures"
    assert all(fields[key] for key in required.split()) and len(fields) == len(lines)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,62}", fields["name"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", fields["version"])
    assert fields["category"] in {
        "Display", "Communication", "Signal Input/Output", "Sensors", "Device Control", "Timing", "Data Storage",
        "Data Processing", "Other",
    }  # fmt: skip
    assert f"src/{fields['includes']}" in files
    assert fields["dot_a_linkage"] == "true", "without an archive, kernels of two models clash"


def test_arduino_gets_every_kernel() -> None:
    for name in ("digits", "small"):
        files = package(name).files
        kernels = {p for p in files if p.startswith("kernels/") and p.endswith(".c")}
        wrappers = [files[p].decode() for p in files if p.startswith("src/arduino/")]
        included = {m[1] for text in wrappers for m in re.finditer(r'#include "\.\./\.\./(.*)"', text)}
        assert included == kernels
        assert len(wrappers) == len(kernels)


# ---- Zephyr: what its build system does with a module, in a few lines (doc/develop/modules.rst)

_ZEPHYR = """\
enable_language(C)
include(${CMAKE_CURRENT_LIST_DIR}/config.cmake)
add_library(zephyr_interface INTERFACE)
target_compile_options(zephyr_interface INTERFACE -std=c99 -Wall -Wextra -Werror -DFLAG_OF_ZEPHYR)
add_custom_target(zephyr_generated_headers)
file(WRITE ${CMAKE_BINARY_DIR}/empty.c "")
add_library(app STATIC ${CMAKE_BINARY_DIR}/empty.c)
target_link_libraries(app PUBLIC zephyr_interface)
foreach(module ${ZEPHYR_EXTRA_MODULES})
    get_filename_component(name ${module} NAME)
    add_subdirectory(${module}/zephyr ${CMAKE_BINARY_DIR}/modules/${name})
endforeach()
add_executable(zephyr_final ${CMAKE_BINARY_DIR}/empty.c)
target_link_libraries(zephyr_final PRIVATE -Wl,--whole-archive $<TARGET_FILE:app> -Wl,--no-whole-archive
    $<TARGET_PROPERTY:app,LINK_LIBRARIES>)
add_dependencies(zephyr_final app)
"""


@pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed")
@pytest.mark.parametrize("chosen", [True, False])
def test_zephyr_module(models: Path, chosen: bool) -> None:
    """Two modules under a stand-in for Zephyr's own CMake code; Kconfig is read by Zephyr's parser."""
    kconfiglib = pytest.importorskip("kconfiglib", reason="kconfiglib is not installed")
    both = ("digits", "small")
    conf = "".join(lines_of("Zephyr", "ini").replace("DIGITS", name.upper()) for name in both)
    write(models, {
        "Kconfig": "".join(f'source "{models}/{name}/zephyr/Kconfig"\n' for name in both),
        "prj.conf": conf if chosen else "",
    })  # fmt: skip
    kconfig = kconfiglib.Kconfig(models / "Kconfig")
    kconfig.load_config(str(models / "prj.conf"))
    assert not kconfig.warnings
    values = {symbol.name: symbol.str_value for symbol in kconfig.unique_defined_syms}
    assert values == {f"TINYGEN_{name.upper()}": "y" if chosen else "n" for name in both}

    modules = lines_of("Zephyr", "cmake")
    if not chosen:
        shutil.rmtree(models / "small/include")  # a module that is not chosen is not looked at
    write(models, {
        "main.c": program(*both) if chosen else "int main(void) { return 0; }\n",
        "zephyr/ZephyrConfig.cmake": _ZEPHYR,
        "zephyr/config.cmake": "".join(f"set(CONFIG_{name} {value})\n" for name, value in values.items()),
        "CMakeLists.txt": "cmake_minimum_required(VERSION 3.20)\n"
        + modules.splitlines()[0].replace("digits", "small")
        + f"\n{modules}project(user C)\ntarget_sources(app PRIVATE main.c)\n",
    })  # fmt: skip
    environment = {**os.environ, "ZEPHYR_BASE": str(models / "zephyr")}
    run(["cmake", "-B", "build", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON"], models, environment)
    run(["cmake", "--build", "build", "--target", "zephyr_final", "-j", "2"], models, environment)
    assert run(["build/zephyr_final"], models) == (BOTH if chosen else "")
    commands = json.loads((models / "build/compile_commands.json").read_text())
    kernels = [c["command"] for c in commands if "/kernels/" in c["file"]]
    assert bool(kernels) == chosen
    assert all("-DFLAG_OF_ZEPHYR" in command for command in kernels)


def test_zephyr_module_yml(models: Path) -> None:
    """The keys of the build section, checked by the validator that Zephyr uses."""
    core = pytest.importorskip("pykwalify.core", reason="pykwalify is not installed")
    text = {"type": "str", "required": True}
    build = {"type": "map", "required": True, "mapping": {"cmake": text, "kconfig": text}}
    schema = {"type": "map", "mapping": {"name": text, "build": build}}
    checked = core.Core(source_file=str(models / "digits/zephyr/module.yml"), schema_data=schema, extensions=[])
    module = checked.validate(raise_exception=True)
    assert module["name"] == "digits"
    assert (models / "digits" / module["build"]["cmake"] / "CMakeLists.txt").is_file()
    assert (models / "digits" / module["build"]["kconfig"]).is_file()
