"""The command line: `main` and all commands.

Commands import what they need inside their functions, so that `--help` and shell completion take no time.
"""

from __future__ import annotations

import errno
import sys
from typing import NoReturn

import typer

from datagen.cli import (
    compare_commands,
    evaluate_commands,
    export_commands,
    hash_commands,
    inspect_commands,
    measure_commands,
    report_commands,
    run_commands,
    setup_commands,
    train_commands,
)
from datagen.cli.common import BROKEN, INTERRUPTED, OK, SOME_FAILED, WRONG, app
from datagen.core.errors import AllowanceError, ConfigError, DatagenError, SetupError, StoreError
from datagen.core.redact import escape_control, redact

__all__ = [
    "BROKEN",
    "INTERRUPTED",
    "OK",
    "SOME_FAILED",
    "WRONG",
    "app",
    "compare_commands",
    "evaluate_commands",
    "export_commands",
    "hash_commands",
    "inspect_commands",
    "main",
    "measure_commands",
    "report_commands",
    "run_commands",
    "setup_commands",
    "train_commands",
]

_COMPLETION = {"--install-completion", "--show-completion"}


def main() -> NoReturn:
    """Run the command line and exit. Errors that datagen raises end it without a stack trace."""
    try:
        app(prog_name=_name())
        sys.exit(OK)
    except (ConfigError, SetupError, StoreError) as error:
        typer.echo(f"error: {_format_error(error)}", err=True)
        sys.exit(WRONG)
    except AllowanceError as error:  # a stop, as by Ctrl-C: what is done is kept
        typer.echo(f"error: {_format_error(error)}", err=True)
        sys.exit(INTERRUPTED)
    except OSError as error:
        if error.filename is not None or error.errno != errno.ENOSPC:
            raise
        typer.echo("error: standard output cannot be written: no space is left where it goes", err=True)
        sys.exit(WRONG)
    except DatagenError as error:
        typer.echo(f"error: {_format_error(error)}", err=True)
        sys.exit(BROKEN)


def _format_error(error: Exception) -> str:
    """The message of an error: without secrets and control characters, at most 40 lines of 4,000 characters."""
    lines = escape_control(redact(str(error))).split("\n")
    more = [f"... and {len(lines) - _MAX_LINES:,} more"] if len(lines) > _MAX_LINES else []
    short = [line if len(line) <= _MAX_LENGTH else f"{line[:_MAX_LENGTH]}..." for line in lines[:_MAX_LINES]]
    return "\n".join([*short, *more])


_MAX_LINES = 40
_MAX_LENGTH = 4000


def _name() -> str | None:
    """The name of the program in help texts. A shell can complete `datagen`, but not `python -m datagen`."""
    return "datagen" if _COMPLETION.intersection(sys.argv[1:2]) else None
