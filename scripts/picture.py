#!/usr/bin/env python3
"""Draws docs/digits.svg for the README: what `make run` prints, from the report that it wrote."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

from rich.console import Console

from tinygen.report import BuildReport, show_report

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    report = BuildReport.from_dict(json.loads((ROOT / "out" / "digits" / "report.json").read_text()))
    console = Console(record=True, width=118, file=io.StringIO(), highlight=False)
    console.print("[bold]$ tinygen build digits.keras --board stm32f4 --data digits.npz")
    show_report(report, console)
    console.save_svg(str(ROOT / "docs" / "digits.svg"), title="tinygen")
    return 0


if __name__ == "__main__":
    sys.exit(main())
