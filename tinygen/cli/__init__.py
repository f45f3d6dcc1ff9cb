"""The command line. Only here does tinygen print, and only here does it exit."""

from tinygen.cli.main import main

__all__ = ["main"]
