"""The command line. Commands import what they need, so that help is instant."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer

from datagen.cli import compare_commands, hash_commands, inspect_commands, report_commands, run_commands, setup_commands
from datagen.cli.common import BROKEN, INTERRUPTED, OK, SOME_FAILED, WRONG, app
from datagen.core.errors import ConfigError, DatagenError, SetupError, StoreError
from datagen.core.redact import printable, redacted

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
        typer.echo(f"error: {_format_error(error)}", err=True)
        sys.exit(WRONG)
    except DatagenError as error:
        typer.echo(f"error: {_format_error(error)}", err=True)
        sys.exit(BROKEN)


def _format_error(error: Exception) -> str:
    """A fault as it is shown: no secrets, nothing that a terminal obeys, and not endless."""
    lines = printable(redacted(str(error))).split("\n")
    more = [f"... and {len(lines) - _MAX_LINES:,} more"] if len(lines) > _MAX_LINES else []
    return "\n".join(
        [
            *(
                line if len(line) <= _MAX_LINE_LENGTH else f"{line[:_MAX_LINE_LENGTH]}..."
                for line in lines[:_MAX_LINES]
            ),
            *more,
        ]
    )


_MAX_LINES = 40
_MAX_LINE_LENGTH = 4000


def _name() -> str | None:
    """What the command is called; a shell completes `datagen`, and cannot complete `python -m datagen`."""
    return "datagen" if _COMPLETION.intersection(sys.argv[1:2]) else None
