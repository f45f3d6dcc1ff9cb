"""The report as one self-contained page."""

from __future__ import annotations

from tinygen.report.compression import step_table
from tinygen.report.model import METRIC_TITLES, BuildReport
from tinygen.resources import environment

__all__ = ["render_html"]


def render_html(report: BuildReport) -> str:
    """A page without scripts or outside resources; all text from the model is escaped."""
    total = max(sum(layer.instructions for layer in report.layers), 1)
    shares = [round(100 * layer.instructions / total, 1) for layer in report.layers]
    steps = None if report.compression is None else step_table(report.compression)
    return (
        environment()
        .get_template("report/report.html.j2")
        .render(report=report, shares=shares, titles=METRIC_TITLES, steps=steps)
    )
