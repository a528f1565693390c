"""`python -m datagen`, and the installed command."""

import atexit
import os
import sys
from contextlib import suppress

from datagen.cli import main


def leave() -> None:
    """Run the command line, and end with its exit code, whatever the threads of libraries do meanwhile.

    An interpreter that ends while pyarrow starts its threads may abort instead: with pyarrow 26.0.1 on
    two busy cores 10 of 100 did that read a small Parquet file last.
    """
    try:
        main()
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # whoever read it is gone
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    leave()
