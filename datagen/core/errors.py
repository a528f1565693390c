"""The errors of datagen. A message says where the fault is, what was found, and what would be right."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class DatagenError(Exception):
    """Base of all errors that are shown to the user as their message alone, without a stack trace."""


class ConfigError(DatagenError):
    """A command, config or manifest is wrong; nothing has run."""


class DataError(DatagenError):
    """One input, such as a picture or a row, is unusable; it fails alone."""


class SetupError(DatagenError):
    """A stage cannot start here: a package, weight or device is missing."""


class AllowanceError(DatagenError):
    """No more calls may be made for now: a budget is used up, or a service asks for a long delay.

    The run ends. Its results are on disk, and the same command resumes it.
    """


class StoreError(DatagenError):
    """A file under OUT, or another folder of files, is missing, damaged, or belongs to another pipeline."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for an error message: the word of `known` that is spelt most like `name`, or all of them."""
    choices = sorted(set(known))
    close = get_close_matches(name.lower(), choices, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"known: {', '.join(choices)}" if choices else "there is none"
