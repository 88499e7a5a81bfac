"""The entry point: `netlab COMMAND ...`."""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Run the command line of this process, and leave with its exit code.

    All imports are inside, so that Ctrl-C during them is Ctrl-C and no traceback.
    """
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
