from __future__ import annotations

import os
import re
import signal
import time
from itertools import repeat

from datagen import Answer, Map, Record


class Hang(Map):
    """Never come back from some records, in the way that their caption says; end of memory is one of them."""

    reads = ("caption",)
    writes = ("task",)

    def process(self, batch: list[Record]) -> list[Answer]:
        return [self._handle(record["caption"]) for record in batch]

    def _handle(self, how: str) -> Answer:
        if how == "sleep":
            time.sleep(600)
        elif how == "regex":
            re.match(r"(a+)+$", "a" * 60 + "b")
        elif how == "compute":
            sum(repeat(0, 10**13))  # one step of the interpreter, which hears no signal meanwhile
        elif how == "memory":
            os.kill(os.getpid(), signal.SIGKILL)  # what the kernel does when there is none left
        return {"task": "toy"}
