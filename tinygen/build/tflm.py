"""A built TensorFlow Lite Micro: finding library and headers, and how code that uses them is compiled and linked.

Two layouts are known: an upstream checkout in which upstream's Makefile built the library, and the tree
that upstream's ``create_tflm_tree.py`` exports, to which the library was added.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from tinygen.board import Cpu
from tinygen.build.archive import ArchiveError, Core, core_of, defined_symbols, member_with
from tinygen.build.sizes import Sizes
from tinygen.build.toolchain import CXX_FLAGS, HINTS, Failure, Kind, Toolchain, find_toolchain, run_tool
from tinygen.errors import OptionError, ToolError

__all__ = ["HOW_TO_GET", "LIBRARY", "Tflm", "find_tflm", "require_cxx", "with_readable_names"]

LIBRARY = "libtensorflow-microlite.a"
HOW_TO_GET = (
    "Clone https://github.com/tensorflow/tflite-micro, build its library for the board's core with its Makefile "
    "(target microlite), and pass the checkout with --tflm; an exported tree with the library in lib/ will do as well."
)
_GET_CXX = (
    "Install it: `apt install libstdc++-arm-none-eabi-newlib` on Debian and Ubuntu, "
    "`dnf install arm-none-eabi-gcc-cs-c++ arm-none-eabi-newlib` on Fedora; only --runtime tflm needs it."
)
_HEADER = Path("tensorflow/lite/micro/micro_interpreter.h")
_MAKEFILE = "tensorflow/lite/micro/tools/make/Makefile"
# Where libraries are looked for, and where third-party headers lie; a checkout has an unrelated third_party, too.
_LIBRARY_PLACES = ("gen/*/lib/*.a", "lib/*.a", "lib/*/*.a", "*.a")
_THIRD_PARTY_PLACES = ("tensorflow/lite/micro/tools/make/downloads", "third_party")
_THIRD_PARTY_INCLUDES = ("flatbuffers/include", "gemmlowp", "ruy")
# Symbols that tell what a library is: the interpreter itself, CMSIS-NN's registrations, printf for messages.
_INTERPRETER = "_ZN6tflite16MicroInterpreter15AllocateTensorsEv"
_CMSIS_NN = "_ZN6tflite21Register_CONV_2D_INT8Ev"
_MICRO_PRINTF = "_Z11MicroPrintfPKcz"
# As the library itself is compiled: other settings change the layout of its structures.
_FLAGS = ("-fno-threadsafe-statics", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables")
_DEFINES = ("-DTF_LITE_STATIC_MEMORY", "-DNDEBUG")


@dataclass(frozen=True, slots=True)
class Tflm:
    """A library that was chosen, and its headers.

    Attributes:
        root: the checkout or the tree.
        library: the static library.
        third_party: folder of flatbuffers, gemmlowp and ruy.
        symbols: what the library defines.
        is_made_for_core: it was compiled for exactly the board's core, not for one whose code that runs, too.
        note: which library it is and why, a sentence for reports.
    """

    root: Path
    library: Path
    third_party: Path
    symbols: Mapping[str, int]
    is_made_for_core: bool
    note: str

    @property
    def has_cmsis_nn(self) -> bool:
        return _CMSIS_NN in self.symbols

    @property
    def has_messages(self) -> bool:
        """Whether error messages are in it (no ``BUILD_TYPE=release``)."""
        return _MICRO_PRINTF in self.symbols

    @property
    def title(self) -> str:
        """A few words for generated code."""
        return f"TensorFlow Lite Micro's {'CMSIS-NN' if self.has_cmsis_nn else 'reference'} kernels"

    def compile_flags(self, macro: str, glue: str) -> tuple[str, ...]:
        """Options for the generated C++ source.

        Args:
            macro: prefix of the model's macros.
            glue: the source's text; it names the operators that it registers for int8.
        """
        includes = (self.root, *(self.third_party / folder for folder in _THIRD_PARTY_INCLUDES))
        defines = [*_DEFINES]
        defines += [] if self.has_messages else ["-DTF_LITE_STRIP_ERROR_STRINGS"]
        defines += ["-DCMSIS_NN"] if self.has_cmsis_nn else []
        wanted = re.findall(rf"\({macro}_REGISTER\((\w+)\)", glue)
        if self.has_cmsis_nn and not all(_int8_symbol(op) in self.symbols for op in wanted):
            defines.append(f"-D{macro}_TFLM_INT8=0")  # an older version, with fewer of them
        # System headers: the user can't do anything about their warnings.
        system = [word for folder in includes for word in ("-isystem", str(folder))]
        return (*_FLAGS, *defines, *system, f"-ffile-prefix-map={self.root}=tflm")

    def link_inputs(self, work_dir: Path) -> tuple[str, ...]:
        """Copy the library into the build tree, where maps name it alike everywhere; returns what to link."""
        copy = work_dir / "tflm" / LIBRARY
        copy.parent.mkdir(exist_ok=True)
        shutil.copyfile(self.library, copy)
        return (str(copy.relative_to(work_dir)), "-lstdc++_nano", "-lm", "-lc_nano", "-lgcc")


def _int8_symbol(operator: str) -> str:
    name = f"Register_{operator}_INT8"
    return f"_ZN6tflite{len(name)}{name}Ev"


def find_tflm(place: Path, cpu: Cpu, toolchain: Kind | None = None) -> Tflm:
    """Choose the library for a core: of those that run on it the most alike, with CMSIS-NN if there is one.

    Args:
        place: an upstream checkout, or an exported tree; or one library in it, if it has to be that one.
        toolchain: the compiler that the user asked for.

    Raises:
        OptionError: the core or the compiler is one that TensorFlow Lite Micro is not linked for.
        ToolError: ``place`` is none of these, has no library for this core, or the compiler is missing.
    """
    compiler = _compiler(cpu, toolchain)
    place = place.resolve()
    root = _root(place)
    third_party = _third_party(root)
    core = _core_of_board(compiler)
    paths = [place] if place.is_file() else [p for pattern in _LIBRARY_PLACES for p in sorted(root.glob(pattern))]
    found = {path: _examined(path) for path in paths}
    usable = [(path, *what) for path, what in found.items() if not isinstance(what, str) and core.runs(what[0])]
    if not usable:
        lines = [f"{p.relative_to(root)}: {w if isinstance(w, str) else f'for {w[0]}'}" for p, w in found.items()]
        raise ToolError(
            f"{place}: no library of TensorFlow Lite Micro for this core ({core})",
            details=lines or ["no library at all in gen/*/lib, lib and the folder itself"],
            hint=f"Build it there: `{_make_command(cpu)}`.",
        )
    library, made_for, symbols = max(
        usable, key=lambda u: (core.likeness(u[1]), _CMSIS_NN in u[2], _MICRO_PRINTF not in u[2])
    )
    kernels = "with CMSIS-NN" if _CMSIS_NN in symbols else "with reference kernels"
    others = f", chosen of {len(usable)} that run on this core" if len(usable) > 1 else ""
    other = "" if made_for == core else f" It was compiled for another core ({made_for}), whose code this one runs."
    note = f"TensorFlow Lite Micro's library is {library.relative_to(root)}, {kernels}{others}.{other}"
    return Tflm(root, library, third_party, symbols, made_for == core, note)


def _compiler(cpu: Cpu, kind: Kind | None) -> Toolchain:
    """GCC for Arm: it alone brings the C and C++ libraries that upstream's library asks for."""
    if cpu.startup != "cortex_m":
        raise OptionError(
            f"--runtime tflm: TensorFlow Lite Micro is linked for Arm cores only, not for {cpu.core}",
            hint="The ahead-of-time runtime (--runtime aot) runs on every board.",
        )
    if kind == "zig":
        raise OptionError("--runtime tflm needs GCC: Zig brings no C++ library for microcontrollers")
    if shutil.which(f"{cpu.toolchain}-gcc") is None:
        hint = HINTS.get(cpu.toolchain, "")
        raise ToolError(f"{cpu.toolchain}-gcc is not on the PATH; --runtime tflm needs it", hint=f"{hint} {_GET_CXX}")
    return find_toolchain(cpu, "gcc")


def _root(place: Path) -> Path:
    folders = place.parents if place.is_file() else (place,)
    for folder in folders:
        if (folder / _HEADER).is_file():
            return folder
    raise ToolError(f"{place}: not TensorFlow Lite Micro: {_HEADER} is not there", hint=HOW_TO_GET)


def _third_party(root: Path) -> Path:
    for place in _THIRD_PARTY_PLACES:
        if (root / place / _THIRD_PARTY_INCLUDES[0] / "flatbuffers").is_dir():
            return root / place
    raise ToolError(
        f"{root}: flatbuffers' headers are not there, in none of {', '.join(_THIRD_PARTY_PLACES)}",
        hint=f"In a checkout, `make -f {_MAKEFILE} third_party_downloads` gets them.",
    )


def _examined(path: Path) -> tuple[Core, Mapping[str, int]] | str:
    """A library's core and symbols, or why it is none."""
    try:
        symbols = defined_symbols(path)
        if _INTERPRETER not in symbols:
            return "not TensorFlow Lite Micro"
        return core_of(member_with(path, symbols[_INTERPRETER])), symbols
    except (ArchiveError, OSError) as error:
        return str(error)


def _core_of_board(toolchain: Toolchain) -> Core:
    """What the board's compiler options mean, asked of the compiler itself."""
    with TemporaryDirectory(prefix="tinygen-core-") as folder:
        (Path(folder) / "core.c").write_text("int core;\n", encoding="utf-8")
        run_tool([str(toolchain.compiler), *toolchain.cpu_flags, "-c", "core.c"], cwd=Path(folder))
        return core_of((Path(folder) / "core.o").read_bytes())


def _make_command(cpu: Cpu) -> str:
    fpu = "+fp" if cpu.has_fpu and cpu.core in ("cortex-m4", "cortex-m7") else ""
    options = f"TARGET=cortex_m_generic TARGET_ARCH={cpu.core}{fpu} OPTIMIZED_KERNEL_DIR=cmsis_nn BUILD_TYPE=release"
    return f"make -f {_MAKEFILE} {options} microlite"


def require_cxx(toolchain: Toolchain, work_dir: Path) -> None:
    """Check that the compiler has C++ and its headers.

    Raises:
        ToolError: says how to get them.
    """
    probe = work_dir / "probe.cc"
    probe.write_text(_includes(("cstdint", "new", "type_traits")), encoding="utf-8")
    command = [str(toolchain.compiler), *toolchain.cpu_flags, *CXX_FLAGS, "-fsyntax-only", probe.name]
    try:
        run_tool(command, cwd=work_dir)
    except Failure as failure:
        raise ToolError(
            f"{toolchain.version} can't compile C++, which TensorFlow Lite Micro needs",
            details=failure.details,
            hint=_GET_CXX,
        ) from failure


def with_readable_names(sizes: Sizes, toolchain: Toolchain) -> Sizes:
    """Names of C++ functions as people write them, where the toolchain has ``c++filt``."""
    program = toolchain.compiler.with_name(toolchain.compiler.name.replace("gcc", "c++filt"))
    if not program.is_file() or not sizes.symbols:
        return sizes
    command = [str(program), "--no-params", *(symbol.name for symbol in sizes.symbols)]
    names = run_tool(command, cwd=program.parent).splitlines()
    symbols = tuple(replace(symbol, name=name) for symbol, name in zip(sizes.symbols, names, strict=True))
    return replace(sizes, symbols=symbols)


def _includes(headers: Iterable[str]) -> str:
    return "".join(f"#include <{header}>\n" for header in headers)
