"""The entry point: `netlab COMMAND ...`."""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line of this process, and leave with its exit code.

    At once: everything is closed and flushed by then, and to take a large lab's values apart, one by one, before the
    kernel takes their memory back would only keep the user waiting.
    """
    # A command makes a hundred thousand values that live as long as it does: looking for garbage among them, again and
    # again, takes a tenth of an apply.
    gc.disable()
    code = _run()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(code)


def _run() -> int:
    """Give the exit code. All imports are inside, so that Ctrl-C during them is Ctrl-C and no traceback."""
    try:
        from netlab.cli.commands import cli

        cli.main()
    except KeyboardInterrupt:
        os.write(2, b"interrupted\n")
        return 130
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    finally:
        # All is said and done: Ctrl-C now would only print a traceback.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return 0


if __name__ == "__main__":
    main()
