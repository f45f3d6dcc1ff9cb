"""What recipes did, in reports: the steps, and the sensitivity table with its chart."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from itertools import pairwise

import pytest
from rich.console import Console

from tinygen.compress import CompressionLog, StepRecord
from tinygen.report import (
    Accuracy,
    BuildReport,
    CompressionReport,
    FlashReport,
    ModelReport,
    RamReport,
    ValidationReport,
    render_html,
    show_report,
)
from tinygen.report.sensitivity import sensitivity_table, show_sensitivity
from tinygen.report.sensitivity_page import draw_bars, render_sensitivity

ROWS = [
    {"layer": layer, "kind": "conv", "weights": 100, "form": f"{values} values", "values": values, "metric": 0.5}
    | {"drop": 0.25, "output_change": change}
    for layer, values, change in (("first", 16, 0.01), ("first", 4, 0.16), ("a<b>", 16, 0.0), ("a<b>", 4, 0.04))
]
TABLE = StepRecord(
    1, "sensitivity", "float", 0.9, 0.9, 0.0, 0.1, 3.0, details={"sensitivity": ROWS, "samples": 7}
)  # fmt: skip
CLUSTER = StepRecord(
    2, "cluster", "float", 0.9, 0.85, 0.05, 0.1, 12.34, {}, ('"odd<1>" (GRU): no step knows it',), ("3 bits",),
    {"allocation": {"bits": 3.0, "values": {"first": 16, "a<b>": 4}}},
)  # fmt: skip
LOG = CompressionLog(
    {"name": "mine"}, "m", "d", "accuracy", {"float": 0.9, "int8": 0.9}, 0.85, 0.84, {"validation": 50},
    (TABLE, CLUSTER),
)  # fmt: skip


def build_report(compression: CompressionReport | None) -> BuildReport:
    return BuildReport(
        name="m",
        board="b",
        runtime="aot",
        status="ok",
        model=ModelReport("0" * 64, {}, 0, 0),
        flash=FlashReport(0, 1, 0, 0, 0, 0),
        ram=RamReport(0, 1, 0, 0, 0),
        validation=ValidationReport("qemu", 1, 0, True, 1),
        accuracy=Accuracy(),
        layers=(),
        stages=(),
        compression=compression,
    )


def printed(report: BuildReport, width: int = 120) -> str:
    stream = io.StringIO()
    show_report(report, Console(file=stream, width=width))
    return stream.getvalue()


def test_a_report_has_the_steps_and_survives_json() -> None:
    report = build_report(CompressionReport.of(LOG))
    data = json.loads(report.to_json())
    assert data["compression"]["recipe"] == "mine" and data["compression"]["samples"] == 50
    step = data["compression"]["steps"][1]
    assert {key: step[key] for key in ("kind", "before", "after", "drop", "max_drop", "seconds")} == {
        "kind": "cluster", "before": 0.9, "after": 0.85, "drop": 0.05, "max_drop": 0.1, "seconds": 12.34,
    }  # fmt: skip
    assert step["left_alone"] == list(CLUSTER.left_alone) and step["notes"] == ["3 bits"]
    assert BuildReport.from_dict(data) == report
    plain = build_report(None)
    assert BuildReport.from_dict(json.loads(plain.to_json())) == plain
    older = json.loads(plain.to_json())
    del older["compression"]
    assert BuildReport.from_dict(older) == plain


def test_a_line_for_each_step_and_the_layers_left_alone() -> None:
    text = printed(build_report(CompressionReport.of(LOG)))
    assert re.search(r"1 sensitivity +float +0\.9000 +0\.9000 +\+0\.0000 +0\.1 +3\.0", text)
    assert re.search(r"2 cluster +float +0\.9000 +0\.8500 +\+0\.0500 +0\.1 +12\.3", text)
    assert 'step 2 (cluster) left alone: "odd<1>" (GRU): no step knows it' in text
    page = render_html(build_report(CompressionReport.of(LOG)))
    assert "2 cluster" in page and "&#34;odd&lt;1&gt;&#34; (GRU)" in page and "<1>" not in page
    assert "cluster" not in render_html(build_report(None))


def test_steps_without_samples() -> None:
    unmeasured = replace(CLUSTER, before=None, after=None, drop=None)
    log = replace(LOG, metric="", steps=(unmeasured,), split={"validation": 0}, notes=("There were no samples",))
    text = printed(build_report(CompressionReport.of(log)))
    assert re.search(r"2 cluster +float +- +- +- +0\.1", text)


def test_table_of_sensitivity() -> None:
    table = sensitivity_table(LOG)
    assert table is not None and table.forms == ("16 values", "4 values") and table.chosen_by == "2 (cluster)"
    first, other = table.layers
    assert [cell.change for cell in first.cells] == pytest.approx([0.1, 0.4])
    assert [cell.chosen for cell in first.cells + other.cells] == [True, False, False, True]
    assert sensitivity_table(replace(LOG, steps=(CLUSTER,))) is None
    undecided = sensitivity_table(replace(LOG, steps=(TABLE,)))
    assert undecided is not None and undecided.chosen_by == ""
    stream = io.StringIO()
    show_sensitivity(table, Console(file=stream, width=80))
    lines = stream.getvalue().splitlines()
    bars = [line.count("█") for line in lines[1:5]]
    assert bars == [5, 20, 0, 10] and "…" not in stream.getvalue()
    assert "0.5000" in lines[1] and "+0.2500" in lines[1] and "first" in lines[1]


def test_bars_are_as_long_as_the_change_and_cover_nothing() -> None:
    table = sensitivity_table(LOG)
    assert table is not None
    chart = draw_bars(table)
    bars = [bar for group in chart.groups for bar in group.bars]
    assert bars[1].length == pytest.approx(4 * bars[0].length, abs=0.3) and bars[2].length == 0
    assert all(later.y - bar.y >= chart.bar for bar, later in pairwise(bars))
    assert all(chart.left + bar.length <= chart.right and bar.y + chart.bar <= chart.bottom for bar in bars)
    assert chart.ticks[0].at == chart.left and chart.ticks[-1].at == chart.right
    page = render_sensitivity(table)
    assert page.count("<rect") == 4 and page.count("◂</text>") == 2 and "a&lt;b&gt;" in page and "a<b>" not in page


def test_a_table_in_which_nothing_changes() -> None:
    still = replace(TABLE, details={"sensitivity": [{**row, "output_change": 0.0} for row in ROWS], "samples": 7})
    table = sensitivity_table(replace(LOG, steps=(still,)))
    assert table is not None and {bar.length for group in draw_bars(table).groups for bar in group.bars} == {0}
