"""What a build found out: for machines, for terminals and for browsers."""

from tinygen.report.html import render_html
from tinygen.report.model import (
    Accuracy,
    BuildReport,
    FlashReport,
    LayerReport,
    ModelReport,
    RamReport,
    StageReport,
    ValidationReport,
)
from tinygen.report.terminal import show_report

__all__ = [
    "Accuracy",
    "BuildReport",
    "FlashReport",
    "LayerReport",
    "ModelReport",
    "RamReport",
    "StageReport",
    "ValidationReport",
    "render_html",
    "show_report",
]
