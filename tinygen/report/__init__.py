"""What a build found out: for machines, for terminals and for browsers."""

from tinygen.report.html import render_html
from tinygen.report.model import (
    Accuracy,
    BuildReport,
    CompressionReport,
    FlashReport,
    LayerReport,
    ModelReport,
    RamReport,
    StageReport,
    StepReport,
    ValidationReport,
)
from tinygen.report.terminal import show_report

__all__ = [
    "Accuracy",
    "BuildReport",
    "CompressionReport",
    "FlashReport",
    "LayerReport",
    "ModelReport",
    "RamReport",
    "StageReport",
    "StepReport",
    "ValidationReport",
    "render_html",
    "show_report",
]
