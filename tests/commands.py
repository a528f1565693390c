"""How tests call the command line in this process."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from datagen import cli


class Said(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


def call(*words: str | Path, capfd: pytest.CaptureFixture[str]) -> Said:
    """Run one command."""
    before = sys.argv
    sys.argv = ["datagen", *map(str, words)]
    try:
        with pytest.raises(SystemExit) as ended:
            cli.main()
    finally:
        sys.argv = before
    told = capfd.readouterr()
    return Said(int(ended.value.code or 0), told.out, told.err)
