"""The holder of a sandbox: the first process of its pid namespace, which the lab's processes die with.

Run as `python -I -S holder.py netlab-holder LAB MACHINE KEEP SIGNALS`. Until the pipe KEEP says `keep`, its end ends
the holder: whoever made the sandbox has died before the store named it. Then it waits for a signal that asks it to end.
SIGNALS is a signalfd: a signal that is blocked and read reaches even a first process, which the kernel otherwise
shields from every signal without a handler. SIGCHLD is ignored, so that the kernel reaps the lab's orphans itself.
All of this is set up before the exec (netlab.namespaces.making).

It imports nothing that the interpreter does not hold already but select: every lab pays for this process's memory.
"""

import posix
import select
import sys

#: What stands in the command line of every holder, before the name of its lab.
WORD = "netlab-holder"
KEEP = b"keep"


def hold(keep: int, signals: int) -> None:
    """Return when the holder has to end."""
    poll = select.poll()
    poll.register(keep, select.POLLIN)
    poll.register(signals, select.POLLIN)
    word = b""
    while word != KEEP:
        ready = [fd for fd, _ in poll.poll()]
        if signals in ready:
            return
        part = posix.read(keep, len(KEEP) - len(word))
        if not part:
            return
        word += part
    posix.close(keep)
    posix.read(signals, 128)


if __name__ == "__main__":
    hold(int(sys.argv[4]), int(sys.argv[5]))
