"""Errors that say where, what was found, and what would do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class DatagenError(Exception):
    """Any fault that datagen explains itself, without a stack trace."""


class ConfigError(DatagenError):
    """A command, config or manifest is wrong; nothing has run."""


class DataError(DatagenError):
    """One input, such as a picture or a row, is unusable; it fails alone."""


class SetupError(DatagenError):
    """A stage cannot start here: a package, weight or device is missing."""


class AllowanceError(DatagenError):
    """No more calls may be made for now: a budget is spent, or a service wants to be left alone.

    The run ends; what it has is kept, and the same command goes on from there.
    """


class StoreError(DatagenError):
    """What lies under OUT is missing, damaged, or belongs to something else."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence that names the known word nearest to `name`, or lists them all."""
    choices = sorted(set(known))
    close = get_close_matches(name.lower(), choices, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"known: {', '.join(choices)}" if choices else "there is none"
