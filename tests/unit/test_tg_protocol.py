"""TG lines, and sessions that follow a run."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from tests.support.fake_package import INPUT_BYTES, fake_interface
from tinygen.emulate import tg
from tinygen.emulate.session import Session
from tinygen.emulate.vectors import Batch
from tinygen.errors import MismatchError, ToolError

OUTPUT = bytes(range(INPUT_BYTES))


def crc(data: bytes) -> str:
    return f"crc={zlib.crc32(data):08x}"


def out(index: int = 0, tensor: int = 0, data: bytes = OUTPUT) -> str:
    return f"TG out {index} {tensor} {data.hex()} {crc(data)}"


GOOD_RUN = ["TG hello fake 1 1", "TG info ticks=dwt ticks_hz=5", out(), "TG ticks 0 99", "TG stack 64", "TG done 1"]


def session(vectors: int = 1) -> Session:
    return Session(fake_interface(), Batch((bytes(INPUT_BYTES),) * vectors), Path("no.elf"))


@pytest.mark.parametrize(
    ("line", "event"),
    [
        ("TG hello kws 1 20", tg.Hello("kws", 1, 20)),
        ("TG info ticks=dwt core_hz=1", tg.Info({"ticks": "dwt", "core_hz": "1"})),
        ("TG out 3 1 00ff crc=" + f"{zlib.crc32(bytes([0, 255])):08x}\r", tg.Output(3, 1, b"\x00\xff")),
        ("TG ticks 3 4294967295", tg.Ticks(3, 4294967295)),
        ("TG layer 0 12 34 567 crc=0000ffff", tg.Layer(0, 12, 34, 567, 0xFFFF)),
        (f"TG data 0 1 2 64 aa {crc(bytes([0xAA]))}", tg.Data(0, 1, 2, 64, b"\xaa")),
        ("TG stack 252", tg.Stack(252)),
        ("TG done 20", tg.Done(20)),
        ("TG fault bus pc=08000a8c lr=ffffffff", tg.Fault("bus", {"pc": 0x08000A8C, "lr": 0xFFFFFFFF})),
    ],
)
def test_lines(line: str, event: tg.Event) -> None:
    assert tg.parse_line(line) == event


@pytest.mark.parametrize("line", ["", "kws: inference done", "TGhello", "\x00\x7f", " hello TG done 1"])
def test_noise_is_no_event(line: str) -> None:
    assert tg.parse_line(line) is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("TG", "unknown TG line"),
        ("TG shout 1", "unknown TG line"),
        ("TG done", "malformed"),
        ("TG done x", "malformed"),
        ("TG done -1", "malformed"),
        ("TG done 1 2", "malformed"),
        ("TG hello fake 1", "malformed"),
        ("TG out 0 0 0 crc=00000000", "malformed"),
        ("TG out 0 0 00 crc=0", "malformed"),
        ("TG out 0 0 00 00000000", "malformed"),
        ("TG out 0 0 00 crc=00000000", "checksum d202ef8d is not 00000000"),
        ("TG info nothing", "malformed"),
        ("TG fault", "malformed"),
        ("TG fault bus pc=xyz", "malformed"),
        ("TG ticks 0 99999999999", "malformed"),
    ],
)
def test_lines_that_break_the_protocol(line: str, message: str) -> None:
    with pytest.raises(tg.ProtocolError, match=message):
        tg.parse_line(line)


def test_long_lines_are_shortened_in_messages() -> None:
    with pytest.raises(tg.ProtocolError) as caught:
        tg.parse_line("TG out 0 0 " + "00" * 5000 + " crc=00000000")
    assert len(caught.value.message) < 300


def test_bytes_are_cut_into_lines_wherever_chunks_end() -> None:
    stream = b"\xff\x00noise\r\nTG done 1\r\nrest"
    splitter = tg.LineSplitter()
    lines = [line for i in range(len(stream)) for line in splitter.feed(stream[i : i + 1])]
    assert lines == ["?noise", "TG done 1"]


def test_a_line_without_end_is_refused() -> None:
    splitter = tg.LineSplitter()
    with pytest.raises(tg.ProtocolError, match="a line of more than"):
        for _ in range(100):
            splitter.feed(b"x" * 65536)


def test_a_good_run() -> None:
    run = session()
    for line in ["boot noise", *GOOD_RUN[:2], "fake: inference done", *GOOD_RUN[2:]]:
        assert not run.finished
        run.feed(line)
    assert run.finished
    assert run.vectors[0].outputs == (OUTPUT,)
    assert run.vectors[0].ticks == 99
    assert run.stack_bytes == 64
    assert run.info["ticks"] == "dwt"


def test_layers_carry_their_data() -> None:
    run = session()
    lines = [
        f"TG layer 0 3 7 112 {crc(OUTPUT)}",
        f"TG data 0 3 7 0 {OUTPUT[:16].hex()} {crc(OUTPUT[:16])}",
        f"TG data 0 3 7 16 {OUTPUT[16:].hex()} {crc(OUTPUT[16:])}",
        "TG layer 0 4 8 106 crc=00000000",
    ]
    for line in [*GOOD_RUN[:2], *lines, *GOOD_RUN[2:]]:
        run.feed(line)
    first, second = run.vectors[0].layers
    assert (first.op, first.tensor, first.ticks, first.data) == (3, 7, 112, OUTPUT)
    assert second.data is None


VIOLATIONS = {
    "output before hello": ([out()], "output before TG hello"),
    "second hello": ([GOOD_RUN[0], GOOD_RUN[0]], "started again"),
    "other number of vectors": (["TG hello fake 1 2"], "2 vectors announced, 1 given"),
    "wrong vector": ([GOOD_RUN[0], out(1)], "a line of vector 1 while vector 0 runs"),
    "wrong output": ([GOOD_RUN[0], out(0, 1)], "output 1 where output 0 was due"),
    "output twice": ([GOOD_RUN[0], out(), out()], "output 0 where output 1 was due"),
    "short output": ([GOOD_RUN[0], out(0, 0, b"ab")], "has 2 bytes instead of 24"),
    "missing output": ([GOOD_RUN[0], "TG ticks 0 1"], "ended after 0 outputs"),
    "hole in data": (
        [GOOD_RUN[0], f"TG data 0 1 2 64 aa {crc(bytes([0xAA]))}"],
        "data of op 1 from byte 64, but 0 came before",
    ),
    "done too early": ([GOOD_RUN[0], "TG stack 4", "TG done 1"], "with 0 vectors received"),
    "no stack": ([*GOOD_RUN[:4], "TG done 1"], "done without TG stack"),
    "wrong checksum": ([GOOD_RUN[0], out().replace("crc=", "crc=0")[:-1]], "checksum"),
}


@pytest.mark.parametrize(("lines", "message"), VIOLATIONS.values(), ids=VIOLATIONS.keys())
def test_violations_are_named(lines: list[str], message: str) -> None:
    run = session()
    with pytest.raises(ToolError, match=message) as caught:
        for line in lines:
            run.feed(line)
    assert caught.value.exit_code == 5
    assert lines[-1] in caught.value.details[-1]


def test_another_protocol_version() -> None:
    with pytest.raises(ToolError, match="version 2 of the TG protocol, this tinygen version 1"):
        session().feed("TG hello fake 2 1")


def test_another_firmware() -> None:
    with pytest.raises(ToolError, match="runs 'vww', not 'fake'"):
        session().feed("TG hello vww 1 1")


def test_silence_and_hang_are_told_apart() -> None:
    run = session()
    run.feed("garbage")
    silent = run.explain_timeout(5)
    assert isinstance(silent, ToolError)
    assert "silent" in silent.message
    run.feed("TG hello fake 1 1")
    hang = run.explain_timeout(5)
    assert isinstance(hang, MismatchError)
    assert "hangs" in hang.message


def test_a_dead_emulator_is_quoted() -> None:
    error = session().explain_death("QEMU ended with status 1", ["no such machine"])
    assert "ended with status 1 before the firmware was done" in error.message
    assert "no such machine" in error.details
