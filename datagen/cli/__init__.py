"""The command line. Commands import what they need, so that help is instant."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer

from datagen.cli import compare_commands, hash_commands, inspect_commands, report_commands, run_commands, setup_commands
from datagen.cli.common import BROKEN, INTERRUPTED, OK, SOME_FAILED, WRONG, app
from datagen.core.errors import ConfigError, DatagenError, SetupError, StoreError
from datagen.core.redact import escape_control, redact

__all__ = [
    "BROKEN",
    "INTERRUPTED",
    "OK",
    "SOME_FAILED",
    "WRONG",
    "app",
    "compare_commands",
    "hash_commands",
    "inspect_commands",
    "main",
    "report_commands",
    "run_commands",
    "setup_commands",
]

_COMPLETION = {"--install-completion", "--show-completion"}


def main() -> NoReturn:
    """Run the command line; faults that datagen explains end without a stack trace."""
    try:
        app(prog_name=_name())
        sys.exit(OK)
    except (ConfigError, SetupError, StoreError) as error:
        typer.echo(f"error: {_told(error)}", err=True)
        sys.exit(WRONG)
    except DatagenError as error:
        typer.echo(f"error: {_told(error)}", err=True)
        sys.exit(BROKEN)


def _told(error: Exception) -> str:
    """A fault as it is shown: no secrets, nothing that a terminal obeys, and not endless."""
    lines = escape_control(redact(str(error))).split("\n")
    more = [f"... and {len(lines) - _MOST_LINES:,} more"] if len(lines) > _MOST_LINES else []
    return "\n".join(
        [*(line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..." for line in lines[:_MOST_LINES]), *more]
    )


_MOST_LINES = 40
_LONGEST = 4000


def _name() -> str | None:
    """What the command is called; a shell completes `datagen`, and cannot complete `python -m datagen`."""
    return "datagen" if _COMPLETION.intersection(sys.argv[1:2]) else None
