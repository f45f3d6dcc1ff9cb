"""Projects that vendor generated packages: the packages, a program that tests them, and the lines that docs promise."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from support.host_runner import compile_model
from support.sample_models import small_cnn
from tinygen.codegen import Package

__all__ = ["VECTORS", "lines_of", "package", "program", "run"]

ROOT = Path(__file__).resolve().parents[2]
VECTORS = 3
TIME_LIMIT = 300

_TEST = """\
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
{includes}
{functions}
"""

_FUNCTION = """\
static bool {name}_passes(void) {{
    int right = 0;
    for (int v = 0; v < {macro}_VECTORS; v++) {{
        memcpy({name}_input_0(), {name}_vectors_input_0[v], {macro}_INPUT_0_BYTES);
        bool exact = {name}_invoke() == {macro}_OK &&
                     memcmp({name}_output_0(), {name}_vectors_output_0[v], {macro}_OUTPUT_0_BYTES) == 0;
        right += exact;
    }}
    printf("{name} %d\\n", right);
    return right == {macro}_VECTORS;
}}
"""


@cache
def package(name: str) -> Package:
    """``digits``, the int8 model among the tests, or ``small``; they share the kernels of SOFTMAX."""
    tflite = (ROOT / "tests/models/digits_int8.tflite").read_bytes() if name == "digits" else small_cnn().build()
    return compile_model(tflite, name=name, vectors=VECTORS).package


def program(*names: str, end: str = "int main(void) {{ return {all} ? 0 : 1; }}") -> str:
    """C or C++ that runs the models' test vectors, prints how many came out right, and fails if not all did.

    Args:
        end: what follows the test functions; ``{all}`` becomes the call of all.
    """
    functions = "\n".join(_FUNCTION.format(name=name, macro=name.upper()) for name in names)
    includes = "\n".join(f"#include <{name}{part}.h>" for name in names for part in ("", "_vectors"))
    calls = " & ".join(f"{name}_passes()" for name in names)
    return _TEST.format(includes=includes, functions=functions) + end.format(all=calls) + "\n"


def lines_of(heading: str, language: str, number: int = 0) -> str:
    """A block of docs/VENDORING.md: the ``number``-th of a language below a heading."""
    text = (ROOT / "docs/VENDORING.md").read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)[number]


def run(command: Sequence[str | Path], cwd: Path, env: dict[str, str] | None = None) -> str:
    """What a command prints; it has to succeed."""
    finished = subprocess.run(
        list(map(str, command)), cwd=cwd, env=env, capture_output=True, text=True, timeout=TIME_LIMIT, check=False
    )
    assert finished.returncode == 0, f"{finished.stdout[-3000:]}\n{finished.stderr[-3000:]}"
    return finished.stdout
