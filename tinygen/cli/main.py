"""Entry point: the command group, and what becomes of errors.

Commands import what they need when they run, so that ``--help`` answers at once.
"""

from __future__ import annotations

import json
import signal
import sys
from types import FrameType

import click

from tinygen import __version__
from tinygen.cli.commands import COMMANDS
from tinygen.errors import TinygenError

__all__ = ["main"]

_BUG_HINT = (
    "This is a bug in tinygen. Please report it with the traceback above, the command line and, "
    "if you may share it, the model."
)
INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="tinygen")
def cli() -> None:
    """From a trained Keras model to verified firmware on a microcontroller."""


for _command in COMMANDS:
    cli.add_command(_command)


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit with DESIGN.md's code; no traceback ends here unless it is our bug."""
    signal.signal(signal.SIGTERM, _terminated)
    arguments = sys.argv[1:] if arguments is None else arguments
    as_json = "--json" in arguments
    try:
        cli.main(args=arguments, prog_name="tinygen", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted: nothing was written", err=True)
        sys.exit(INTERRUPTED)
    except TinygenError as error:
        _show(error, as_json)
        sys.exit(error.exit_code)
    except Exception as error:
        import traceback

        traceback.print_exc()
        _show(TinygenError(f"{type(error).__name__}: {error}", hint=_BUG_HINT), as_json)
        sys.exit(TinygenError.exit_code)


def _terminated(signum: int, frame: FrameType | None) -> None:
    """A polite kill unwinds the stack, so that temporary folders go and child processes end."""
    del signum, frame
    raise KeyboardInterrupt


def _show(error: TinygenError, as_json: bool) -> None:
    if as_json:
        data = {
            "status": "error",
            "error": type(error).__name__,
            "exit_code": error.exit_code,
            "message": error.message,
            "details": list(error.details),
            "hint": error.hint,
        }
        click.echo(json.dumps(data, indent=2))
        return
    click.secho("error: ", fg="red", bold=True, nl=False, err=True)
    click.echo(error.message, err=True)
    for line in error.details:
        click.echo(f"  {line}", err=True)
    if error.hint:
        click.secho(error.hint, dim=True, err=True)
