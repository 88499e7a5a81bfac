"""The entry point: `netlab COMMAND ...`."""

from __future__ import annotations

import gc
import os
import signal
import sys


def main() -> None:
    """Run the command line of this process, and leave with its exit code.

    All imports are inside, so that Ctrl-C during them is Ctrl-C and no traceback.
    """
    # A command makes a hundred thousand values that live as long as it does: looking for garbage among them, again and
    # again, takes a tenth of an apply.
    gc.disable()
    try:
        from netlab.cli.commands import cli

        cli.main()
    except KeyboardInterrupt:
        os.write(2, b"interrupted\n")
        sys.exit(130)
    finally:
        # All is said and done: Ctrl-C while Python takes itself down would only print a traceback.
        signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    main()
