"""Child processes: answers, errors, crashes, time limits. The children are small modules written here."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from tinygen.child import Message, run_child
from tinygen.errors import DataError, InternalError, ToolError

CHILD = """
import os, signal, subprocess, sys, time
from tinygen.child import Message, progress, serve
from tinygen.errors import DataError
def handle(request):
{body}
serve(handle)
"""


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Runs a child whose handler has the given body."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def run(body: str, request: Message | None = None, **options: object) -> Message:
        lines = "\n".join(f"    {line}" for line in body.splitlines())
        (tmp_path / "a_child.py").write_text(CHILD.format(body=lines))
        settings = {"subject": "testing", "time_limit": 60.0, **options}
        return run_child("a_child", request or Message(), **settings)  # type: ignore[arg-type]

    return run


def test_values_and_arrays_go_and_come_back(child) -> None:  # type: ignore[no-untyped-def]
    lines: list[str] = []
    request = Message({"n": 2}, {"x": np.arange(6, dtype=np.int8).reshape(2, 3)})
    body = """print('noise')
progress('half way')
return Message({'m': request.values['n'] + 1}, {'y': request.arrays['x'] * 2})"""
    answer = child(body, request, on_progress=lines.append)
    assert answer.values == {"m": 3} and lines == ["half way"]
    assert answer.arrays["y"].dtype == np.int8 and answer.arrays["y"].tolist() == [[0, 2, 4], [6, 8, 10]]


def test_deliberate_errors_arrive_unchanged(child) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError) as caught:
        child("raise DataError('what', hint='try', details=['one', 'two'])")
    assert (caught.value.message, caught.value.hint, caught.value.details) == ("what", "try", ("one", "two"))


def test_unforeseen_exceptions_become_internal_errors(child) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InternalError, match="unexpected KeyError") as caught:
        child("return {}['absent']")
    assert any("absent" in line for line in caught.value.details)


def test_a_crash_names_the_signal_and_the_last_words_without_noise(child) -> None:  # type: ignore[no-untyped-def]
    body = "print('loc(fused)\\nW0000 00 noise\\nlast words', file=sys.stderr, flush=True)\nos.abort()"
    with pytest.raises(ToolError, match="testing failed: SIGABRT") as caught:
        child(body, crash_hint="simplify")
    assert caught.value.hint == "simplify" and caught.value.exit_code == 5
    assert "last words" in caught.value.details and not any("noise" in line for line in caught.value.details)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        ("os._exit(3)", "status 3"),
        ("os._exit(0)", "without an answer"),
    ],
)
def test_other_deaths(child, body: str, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ToolError, match=message) as caught:
        child(body)
    assert ("memory" in caught.value.hint) == ("SIGKILL" in body)


def test_what_the_child_wrote_goes_with_its_error_where_asked(child) -> None:  # type: ignore[no-untyped-def]
    body = "print('first words', file=sys.stderr, flush=True)\nraise DataError('bad')"
    for keep_words, words in ((True, ("first words",)), (False, ())):
        with pytest.raises(DataError, match="bad") as caught:
            child(body, keep_words=keep_words)
        assert caught.value.details == words


def test_memory_limit(child) -> None:  # type: ignore[no-untyped-def]
    body = "import resource\nresource.setrlimit(resource.RLIMIT_DATA, (1 << 29, 1 << 29))\nbytearray(1 << 30)"
    with pytest.raises(ToolError, match="out of memory"):
        child(body)


def test_time_limit_ends_the_whole_process_group(child, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    pids = tmp_path / "pids"
    body = f"""p = subprocess.Popen(['sleep', '60'])
open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{p.pid}}')
time.sleep(60)"""
    start = time.monotonic()
    with pytest.raises(ToolError, match="more than 2 s"):
        child(body, time_limit=2.0)
    assert time.monotonic() - start < 20
    for pid in pids.read_text().split():
        assert _gone(int(pid)), f"process {pid} is still alive"


def _gone(pid: int) -> bool:
    for _ in range(50):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
            os.kill(pid, 0)
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.1)
    return False
