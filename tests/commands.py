"""Commands called in this process, as the shell would."""

from __future__ import annotations

import json
import sys
from functools import cache
from typing import Any, NamedTuple

import pytest
import typer.main

from datagen import cli

# A shell's process makes the commands from their functions once; here many calls share one process.
typer.main.get_command = cache(typer.main.get_command)


class CommandResult(NamedTuple):
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


def call(*words: object, capfd: pytest.CaptureFixture[str]) -> CommandResult:
    """Run one command. It shows no stack trace of its own, nor anything that a terminal would obey."""
    before = sys.argv
    sys.argv = ["datagen", *map(str, words)]
    capfd.readouterr()
    try:
        with pytest.raises(SystemExit) as ended:
            cli.main()
    finally:
        sys.argv = before
    text = capfd.readouterr()
    code = ended.value.code
    result = CommandResult(code if isinstance(code, int) else int(code is not None), text.out, text.err)
    assert "Traceback" not in result.err
    assert not {sign for sign in result.out + result.err if not sign.isprintable()} - {"\n", "\t"}
    return result


def refused(*words: object, capfd: pytest.CaptureFixture[str]) -> str:
    """The message of a command that is refused with exit code 2."""
    result = call(*words, capfd=capfd)
    assert result.code == cli.WRONG, result
    return result.err
