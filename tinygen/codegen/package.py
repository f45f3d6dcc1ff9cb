"""Renders the package. Nothing is written to disk here: a package is a mapping of paths to bytes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from jinja2 import Template

from tinygen import RUNTIME_ABI, __version__
from tinygen.codegen.kernels import kernel_files
from tinygen.codegen.tflm import TflmArena, model_rows, registrations
from tinygen.codegen.vectors import TestVector, vector_arrays
from tinygen.codegen.views import ModelView, model_view
from tinygen.ir import ModelInterface, Program
from tinygen.load.tflite import read_graph
from tinygen.plan import ALIGNMENT, MemoryPlan
from tinygen.resources import FIRMWARE, environment

__all__ = ["ModelSource", "Package", "generate_package"]


@dataclass(frozen=True, slots=True, eq=False)
class ModelSource:
    """Where the model came from.

    Attributes:
        file: name of the user's file, without its folder.
        sha256: of the user's file (for a folder, of its files' hashes in order of their names).
        flatbuffer: the .tflite that the graph was read from.
        tflm_arena: enough for TensorFlow Lite Micro's interpreter.
        vectors: inputs and the reference's outputs, for tests in the user's firmware; without any, the package
            has no files for them.
    """

    file: str
    sha256: str
    flatbuffer: bytes
    tflm_arena: TflmArena
    vectors: tuple[TestVector, ...] = ()


@dataclass(frozen=True, slots=True)
class Package:
    """A generated package.

    Attributes:
        files: paths relative to the package's folder, and their contents.
        constants_bytes: of the arrays in flash that the generated code reads.
    """

    name: str
    files: Mapping[str, bytes]
    constants_bytes: int

    def write(self, folder: Path) -> None:
        """Write all files below ``folder``, which is created."""
        for path, content in self.files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def generate_package(
    program: Program,
    memory: MemoryPlan,
    interface: ModelInterface,
    source: ModelSource,
    *,
    macs: int,
    options: Mapping[str, object],
) -> Package:
    """Render everything that a firmware project needs, for both runtimes.

    The result depends on the arguments alone: no date, path or user name enters it.

    Args:
        macs: multiply-accumulates of one inference, for the README.
        options: what the user asked for, recorded in ``manifest.json``.

    Raises:
        UnsupportedError: TensorFlow Lite Micro does not know an operator of the flatbuffer.
    """
    kernels = kernel_files(FIRMWARE / "kernels", program.sources, program.headers)
    view = model_view(
        program,
        memory,
        interface,
        {
            "version": __version__,
            "release": _release(__version__),
            "abi": RUNTIME_ABI,
            "model_sha256": source.sha256,
            "source": source.file,
            "macs": macs,
            "sources": tuple(path for path in kernels if not path.endswith(".h")),
            "vector_arrays": vector_arrays(interface, source.vectors),
            "alignment": ALIGNMENT,
            "tflm": _tflm_facts(source),
        },
    )
    files = dict(_rendered(view))
    files |= {f"kernels/{path}": content for path, content in kernels.items()}
    files["manifest.json"] = _manifest(view, source, files, options)
    return Package(interface.name, dict(sorted(files.items())), view.weights_bytes)


def _tflm_facts(source: ModelSource) -> dict[str, object]:
    graph = read_graph(source.flatbuffer, source=source.file, name="model")
    found = registrations(graph, source=source.file)
    return {
        "registrations": found,
        "has_int8": any(r.int8_operator for r in found),
        "model_bytes": len(source.flatbuffer),
        "model_rows": model_rows(source.flatbuffer),
        "arena": source.tflm_arena,
    }


def _release(version: str) -> str:
    """The three numbers that all build systems take for a version: ``1.2.3`` of ``1.2.3rc1``."""
    return ".".join((*re.findall(r"\d+", version), "0", "0")[:3])


def _rendered(view: ModelView) -> Iterator[tuple[str, bytes]]:
    """Templates are named as their outputs, with ``model`` in place of the model's name.

    ``kernel`` stands for the name of each source of ``kernels/``.
    """
    templates = environment()
    for name in templates.list_templates(filter_func=lambda path: path.startswith("package/")):
        path = PurePosixPath(name.removeprefix("package/").removesuffix(".j2"))
        template = templates.get_template(name)
        if path.name.startswith("model_vectors") and not view.vector_arrays:
            continue
        if path.stem == "kernel":
            yield from _for_each_kernel(template, path.parent, view)
            continue
        file = view.name + path.name.removeprefix("model") if path.name.startswith("model") else path.name
        yield str(path.with_name(file)), template.render(model=view).encode()


def _for_each_kernel(template: Template, folder: PurePosixPath, view: ModelView) -> Iterator[tuple[str, bytes]]:
    for kernel in view.sources:
        yield str(folder / PurePosixPath(kernel).name), template.render(model=view, kernel=kernel).encode()


def _manifest(view: ModelView, source: ModelSource, files: Mapping[str, bytes], options: Mapping[str, object]) -> bytes:
    manifest = {
        "tinygen": view.version,
        "runtime_abi": view.abi,
        "name": view.name,
        "model": {
            "file": source.file,
            "sha256": source.sha256,
            "flatbuffer_sha256": hashlib.sha256(source.flatbuffer).hexdigest(),
        },
        "options": dict(sorted(options.items())),
        "files": {path: hashlib.sha256(content).hexdigest() for path, content in sorted(files.items())},
    }
    return (json.dumps(manifest, indent=2) + "\n").encode()
