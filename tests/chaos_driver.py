"""`python -m chaos_driver run ...` is `python -m datagen run ...` with locks that count for few seconds.

If CHAOS_STOP_AT or CHAOS_KILL_AT is set, the process stops or kills itself before that change of a file.
"""

from __future__ import annotations

import os
import signal
from itertools import count

from stepwise import stepwise_os

from datagen.__main__ import leave
from datagen.execute.ledger import lock
from datagen.storage import local_files

STALE_SECONDS = 2.0


def main() -> None:
    """Patch, then run the command."""
    lock.STALE_SECONDS, lock.RENEW_SECONDS = STALE_SECONDS, STALE_SECONDS / 6
    number = count(1)
    signals = {
        int(os.environ[name]): what
        for name, what in (("CHAOS_STOP_AT", signal.SIGSTOP), ("CHAOS_KILL_AT", signal.SIGKILL))
        if name in os.environ
    }

    def step() -> None:
        if what := signals.get(next(number)):
            os.kill(os.getpid(), what)

    if signals:
        local_files.os = stepwise_os(step)  # type: ignore[attr-defined]
    leave()


if __name__ == "__main__":
    main()
