"""``tinygen doctor``: its table of tools, the systems it tells, and what its exit code means."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.cli import tinygen

from tinygen.cli import doctor
from tinygen.cli.doctor import Tool, diagnose, lacking, read_tools, system_name

SYSTEMS = ("debian", "fedora", "macos", "windows")
TOOLS = {tool.name: tool for tool in read_tools()}


@pytest.mark.parametrize("tool", TOOLS.values(), ids=lambda tool: tool.name)
def test_every_tool_has_a_command_for_every_system(tool: Tool) -> None:
    assert tool.program or tool.package
    assert tool.need in ("", "compile", "run", "reference")
    assert "any" in tool.get or set(SYSTEMS) <= set(tool.get)
    assert all(tool.command(system) for system in (*SYSTEMS, "linux"))


@pytest.mark.parametrize(
    ("kernel", "release", "expected"),
    [
        ("Linux", "ID=debian\n", "debian"),
        ("Linux", 'ID=ubuntu\nID_LIKE=debian\nNAME="Ubuntu"\n', "debian"),
        ("Linux", 'ID="rhel"\nID_LIKE="fedora"\n', "fedora"),
        ("Linux", "ID=arch\n", "linux"),
        ("Linux", None, "linux"),
        ("Darwin", None, "macos"),
        ("Windows", None, "windows"),
    ],
)
def test_systems(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kernel: str, release: str | None, expected: str
) -> None:
    if release is not None:
        (tmp_path / "os-release").write_text(release)
    monkeypatch.setattr(doctor, "_OS_RELEASE", tmp_path / "os-release")
    monkeypatch.setattr("platform.system", lambda: kernel)
    assert system_name() == expected


def test_commands_are_the_systems_own() -> None:
    gcc = TOOLS["arm-none-eabi-gcc"]
    assert gcc.command("debian").startswith("sudo apt install gcc-arm-none-eabi")
    assert gcc.command("fedora").startswith("sudo dnf install")
    assert gcc.command("macos").startswith("brew install")
    assert gcc.command("windows").startswith("winget install")


def test_a_reference_of_another_version_is_no_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_pinned_version", lambda package: "1.2.3")
    (finding,) = diagnose([TOOLS["tflite-micro"]], "debian")
    assert not finding.found
    assert finding.version.endswith("is there, 1.2.3 is needed")


def test_the_pinned_version_is_the_metadatas() -> None:
    assert doctor._pinned_version("tflite-micro").startswith("0.dev")
    assert doctor._pinned_version("click") == ""


def test_a_program_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "st-flash"
    broken.write_text("no program")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    (finding,) = diagnose([TOOLS["st-flash"]], "debian")
    assert (finding.found, finding.version) == (False, "is there, but does not answer")


def test_one_tool_for_each_need_is_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(doctor, "find_zig", lambda: None)
    nowhere = [Tool(t.name, t.purpose, t.need, t.get, t.program) for t in TOOLS.values()]
    assert lacking(diagnose(nowhere, "debian")) == ["compile", "run", "reference"]
    for name in ("arm-none-eabi-gcc", "renode-test"):
        (tmp_path / name).write_text("#!/bin/sh\necho 1\n")
        (tmp_path / name).chmod(0o755)
    assert lacking(diagnose(nowhere, "debian")) == ["reference"]


def test_exit_codes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    done = tinygen("doctor", "--json", cwd=tmp_path)
    data = json.loads(done.out)
    assert done.code == (0 if data["ready"] else 5)
    assert {tool["name"] for tool in data["tools"]} == set(TOOLS)
    assert data["system"] == system_name()


def test_nothing_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(
        doctor, "_look_for", lambda tool, system: doctor.Finding(tool.name, "", tool.need, False, "", "get it")
    )
    with pytest.raises(doctor.ToolError, match="without a compiler, an emulator, the reference interpreter") as caught:
        doctor.examine(as_json=False)
    assert caught.value.exit_code == 5
    assert "get it" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        doctor.examine(as_json=True)
    assert ended.value.code == 5
    assert json.loads(capsys.readouterr().out)["missing"] == ["compile", "run", "reference"]
