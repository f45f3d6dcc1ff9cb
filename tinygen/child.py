"""Work that may crash, done in a process of its own.

TensorFlow's converter aborts or segfaults on some models, and a hostile model file may do worse. Such
work runs as ``python -m <module> DIR``: the request lies in DIR as JSON and arrays, the answer is
written beside it, and whatever becomes of the child, the parent sees either an answer or a
``TinygenError``.

    parent: reply = run_child("tinygen.convert.worker", request, subject="converting digits.keras")
    child:  if __name__ == "__main__": serve(handle)

A child reports progress by ``progress("text")``, which prints a ``progress: text`` line for the parent.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from tinygen import errors
from tinygen.errors import InternalError, TinygenError, ToolError

__all__ = ["CrashError", "Message", "progress", "run_child", "serve"]

PROGRESS_PREFIX = "progress: "
_DETAIL_LINES = 12
_TAIL_BYTES = 1 << 16
_MEMORY_HINT = "Close other programs, or use a smaller model or data set."

# What compilers of graphs write by the kilobyte, and a person can do nothing with.
_NOISE = re.compile(r"^\s*$|^\s*loc\(|^(WARNING|INFO):|^[IW]\d{4} |^\d{4}-\d\d-\d\d [\d:.]+: [IW] |warnings\.warn\(")


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """A request or an answer.

    Attributes:
        values: anything that JSON can hold.
        arrays: numpy arrays by name; bytes travel as uint8. Never pickled.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)


class CrashError(ToolError):
    """A child died, or left no answer.

    Attributes:
        how: a clause for people: ``SIGSEGV killed the process``.
    """

    how = ""


def run_child(
    module: str,
    request: Message,
    *,
    subject: str,
    time_limit: float,
    on_progress: Callable[[str], None] | None = None,
    environment: Mapping[str, str] | None = None,
    crash_hint: str = "",
    keep_words: bool = False,
) -> Message:
    """Run ``python -m module`` on a request, in its own process group, and return its answer.

    Args:
        module: a module that calls ``serve`` when it is run.
        request: what the child's handler receives.
        subject: what is being done to what, for messages: ``converting digits.keras``.
        time_limit: seconds after which the child and its children are killed.
        on_progress: called with each progress text, on a thread of its own.
        environment: variables set on top of this process's.
        crash_hint: what to try when the child dies of a signal.
        keep_words: add what the child wrote on stderr to the details of the errors that it raised.

    Raises:
        TinygenError: the one that the child raised, of the same class and with the same text.
        CrashError: the child was killed by a signal, or left no answer.
        ToolError: it exceeded the time limit.
        InternalError: the child stopped on an exception that nobody foresaw.
    """
    with tempfile.TemporaryDirectory(prefix="tinygen-") as name:
        directory = Path(name)
        _write(directory / "request", request)
        status = _run(module, directory, subject, time_limit, on_progress, environment or {})
        if status != 0 or not (directory / "answer.json").is_file():
            raise _crash(subject, module, status, directory / "stderr", crash_hint)
        answer = _read(directory / "answer")
        words = _last_lines(directory / "stderr") if keep_words else []
    if "error" in answer.values:
        raise _revive(answer.values["error"], words)
    return answer


def serve(handle: Callable[[Message], Message], *, memory_limit_bytes: int | None = None) -> NoReturn:
    """The child's main function: read the request, handle it, write the answer, exit.

    ``memory_limit_bytes`` bounds the child's data, so that an absurd model ends the child and not the machine.

    Deliberate errors travel to the parent as they are; any other exception becomes an InternalError
    with its last lines.
    """
    _die_with_parent()
    if memory_limit_bytes is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (memory_limit_bytes, memory_limit_bytes))
    directory = Path(sys.argv[1])
    try:
        answer = handle(_read(directory / "request"))
    except TinygenError as error:
        answer = Message({"error": _flatten(error)})
    except MemoryError:
        answer = Message({"error": _flatten(ToolError("a child process ran out of memory", hint=_MEMORY_HINT))})
    except Exception as error:
        lines = traceback.format_exc().strip().splitlines()
        answer = Message(
            {
                "error": {
                    "class": "InternalError",
                    "message": f"unexpected {type(error).__name__} in a child process",
                    "hint": "This is a bug in tinygen; please report it with the model's architecture.",
                    "details": [line for line in lines if not _NOISE.search(line)][-_DETAIL_LINES:],
                }
            }
        )
    _write(directory / "answer", answer)
    sys.stdout.flush()
    # TensorFlow's threads sometimes crash while Python shuts down; the answer is complete by now.
    os._exit(0)


def progress(text: str) -> None:
    """Tell the parent, from inside a child, what is being done."""
    print(f"{PROGRESS_PREFIX}{text}", flush=True)


def _run(
    module: str,
    directory: Path,
    subject: str,
    time_limit: float,
    on_progress: Callable[[str], None] | None,
    environment: Mapping[str, str],
) -> int:
    """Exit status of the child; negative for a signal."""
    # -P and the working directory keep stray files beside the user's model from being imported.
    command = [sys.executable, "-P", "-m", module, str(directory)]
    with (directory / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=_environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )
    with process, _killed_at_exit(process):
        assert process.stdout is not None
        reader = threading.Thread(target=_follow, args=(process.stdout, on_progress), daemon=True)
        reader.start()
        try:
            status = process.wait(time_limit)
        except subprocess.TimeoutExpired:
            raise ToolError(
                f"{subject} took more than {time_limit:g} s and was stopped",
                hint="Give it a higher time limit, a smaller model, or fewer samples.",
            ) from None
        reader.join(timeout=5)
        return status


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    package_parent = str(Path(__file__).resolve().parent.parent)
    paths = [package_parent, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **extra}


@contextlib.contextmanager
def _killed_at_exit(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Leave no member of the child's process group behind, whichever way the block ends."""
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _follow(stream: IO[bytes], on_progress: Callable[[str], None] | None) -> None:
    """Read the child's output to its end, so that it never blocks; pass on progress lines."""
    for raw in stream:
        line = raw.decode(errors="replace").rstrip()
        if on_progress is not None and line.startswith(PROGRESS_PREFIX):
            on_progress(line.removeprefix(PROGRESS_PREFIX))


def _crash(subject: str, module: str, status: int, stderr: Path, crash_hint: str) -> CrashError:
    if status < 0:
        how = f"{_signal_name(-status)} killed the process"
    elif status:
        how = f"the process ended with status {status}"
    else:
        how = "the process ended without an answer"
    hint = crash_hint
    if -status == signal.SIGKILL:
        hint = f"The machine probably ran out of memory. {_MEMORY_HINT}"
    error = CrashError(
        f"{subject} failed: {how}",
        hint=hint,
        details=[f"command: python -m {module}", *_last_lines(stderr)],
    )
    error.how = how
    return error


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_lines(path: Path) -> list[str]:
    """The last lines of a log that tell something, each at most 200 characters."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        text = file.read().decode(errors="replace")
    lines = [line.rstrip() for line in text.splitlines() if not _NOISE.search(line)]
    return [line[:200] for line in lines[-_DETAIL_LINES:]]


def _flatten(error: TinygenError) -> dict[str, Any]:
    return {
        "class": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "details": list(error.details),
    }


def _revive(record: Mapping[str, Any], words: Sequence[str]) -> TinygenError:
    cls = getattr(errors, record["class"], InternalError)
    if not (isinstance(cls, type) and issubclass(cls, TinygenError)):
        cls = InternalError
    return cls(record["message"], hint=record["hint"], details=[*record["details"], *words])


def _write(stem: Path, message: Message) -> None:
    """Write ``stem.npz``, then ``stem.json``: where the JSON is, the rest is complete."""
    np.savez(stem.with_suffix(".npz"), allow_pickle=False, **message.arrays)
    temporary = stem.with_suffix(".tmp")
    temporary.write_text(json.dumps(dict(message.values)))
    temporary.replace(stem.with_suffix(".json"))


def _read(stem: Path) -> Message:
    values = json.loads(stem.with_suffix(".json").read_text())
    with np.load(stem.with_suffix(".npz"), allow_pickle=False) as archive:
        return Message(values, {name: archive[name] for name in archive.files})


def _die_with_parent() -> None:
    """Ask Linux to kill this process when the parent dies, so that no long conversion is orphaned."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
        # When memory runs out, this process is the one to go, not the user's editor.
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")
