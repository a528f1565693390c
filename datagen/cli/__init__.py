"""The command line. Commands import what they need, so that help is instant."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer

from datagen.cli import looking, reporting, running
from datagen.cli.common import BROKEN, INTERRUPTED, OK, SOME_FAILED, WRONG, app
from datagen.errors import ConfigError, DatagenError, SetupError, StoreError

__all__ = ["BROKEN", "INTERRUPTED", "OK", "SOME_FAILED", "WRONG", "app", "looking", "main", "reporting", "running"]


def main() -> NoReturn:
    """Run the command line; faults that datagen explains end without a stack trace."""
    try:
        app()
        sys.exit(OK)
    except (ConfigError, SetupError, StoreError) as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(WRONG)
    except DatagenError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(BROKEN)
