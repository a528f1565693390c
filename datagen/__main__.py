"""The entry point of `python -m datagen` and of the installed command `datagen`."""

import atexit
import os
import sys
from contextlib import suppress

INTERRUPTED = 130
"""The exit code of that name in `datagen.cli`, which cannot be imported where its own import was interrupted."""


def leave() -> None:
    """Run the command line, and end the process with its exit code.

    It ends by `os._exit`, because an interpreter that exits while pyarrow starts its threads may abort: with pyarrow
    26.0.1 on two busy cores 10 of 100 processes did that read a small Parquet file last.
    """
    try:
        from datagen.cli import main  # here, so that a Ctrl-C while it is imported leaves no stack trace either

        main()
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except KeyboardInterrupt:
        code = INTERRUPTED
    atexit._run_exitfuncs()  # `os._exit` runs none of them, and flushes no stream
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # a closed pipe, as in `datagen ... | head`
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    leave()
