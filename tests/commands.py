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


class Said(NamedTuple):
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


def call(*words: object, capfd: pytest.CaptureFixture[str]) -> Said:
    """Run one command. It shows no stack trace of its own, nor anything that a terminal would obey."""
    before = sys.argv
    sys.argv = ["datagen", *map(str, words)]
    capfd.readouterr()
    try:
        with pytest.raises(SystemExit) as ended:
            cli.main()
    finally:
        sys.argv = before
    told = capfd.readouterr()
    code = ended.value.code
    said = Said(code if isinstance(code, int) else int(code is not None), told.out, told.err)
    assert "Traceback" not in said.err
    assert not {sign for sign in said.out + said.err if not sign.isprintable()} - {"\n", "\t"}
    return said


def refused(*words: object, capfd: pytest.CaptureFixture[str]) -> str:
    """The message of a command that is refused with exit code 2."""
    said = call(*words, capfd=capfd)
    assert said.code == cli.WRONG, said
    return said.err
