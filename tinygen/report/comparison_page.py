"""A comparison as one self-contained page."""

from __future__ import annotations

from tinygen.report.comparison import Comparison
from tinygen.report.comparison_plot import draw
from tinygen.report.comparison_table import columns, frontier_sentence
from tinygen.report.model import METRIC_TITLES
from tinygen.resources import environment

__all__ = ["render_comparison"]


def render_comparison(comparison: Comparison) -> str:
    """A page without scripts or outside resources; all text from recipes and models is escaped."""
    return (
        environment()
        .get_template("report/compare.html.j2")
        .render(
            comparison=comparison,
            columns=columns(comparison),
            plot=draw(comparison),
            metric=METRIC_TITLES.get(comparison.metric, comparison.metric),
            sentence=frontier_sentence(comparison),
        )
    )
