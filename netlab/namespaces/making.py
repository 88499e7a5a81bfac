"""The making of a sandbox, step by step, in a forked child: from a plain process to the holder.

    maker ─ fork ─ child: leaves the session, unshares, maps the user, forks, tells the pid, ends
                     └─ first process of the new pid namespace: mounts, marks `lo`, execs the holder

The maker reads a status pipe: `pid N`, then `failed ERRNO STEP` or `ready`, and its end when the exec has closed it.
Nothing here outlives the exec but the namespaces, the blocked signals, and two descriptors.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NoReturn

from netlab.names import HOST, mark
from netlab.namespaces.detaching import become, close_descriptors, forget_signals, leave_session, silence_streams
from netlab.namespaces.holder import WORD
from netlab.namespaces.loopback import set_loopback_alias
from netlab.namespaces.nodes import NETNS_DIRECTORY, own_namespace
from netlab.namespaces.rights import has_capabilities
from netlab.namespaces.syscalls import (
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_REC,
    MS_SLAVE,
    mount,
    own_proc_files,
    signalfd,
    unshare,
)

_NAMESPACES: Final = CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID
_OBEYED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PLAIN: Final = MS_NOSUID | MS_NODEV | MS_NOEXEC
_HOLDER: Final = Path(__file__).with_name("holder.py")
#: An interpreter may need these to find its own library; nothing else of the maker's environment is kept alive.
_ENVIRONMENT: Final = ("LD_LIBRARY_PATH",)


class _Failed(Exception):
    def __init__(self, step: str, number: int) -> None:
        self.step, self.number = step, number


@contextmanager
def _step(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _Failed(name, error.errno or errno.EIO) from error


def _unshare() -> None:
    """Enter new namespaces: as root as such, without the right to as root of a user namespace of one's own."""
    user, group = os.geteuid(), os.getegid()
    if user == 0 and has_capabilities():
        try:
            unshare(_NAMESPACES)
        except PermissionError:
            pass  # root of a container, perhaps: what an ordinary user may, it may too
        else:
            return
    with _step("unshare"):
        unshare(CLONE_NEWUSER | _NAMESPACES)
    with _step("mapping the user"):
        # user_namespaces(7): without privileges one line, one's own id, and setgroups denied before the group.
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def _cover_run() -> None:
    """Put a tmpfs over /run with everything in it brought back, because /run/netns is missing and not ours to make."""
    os.chdir("/run")  # from here relative names lead below the cover
    with os.scandir(".") as found:
        entries = sorted(found, key=lambda entry: entry.name)
    mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    for entry in entries:
        place = Path("/run", entry.name)
        with suppress(OSError):  # what cannot be brought back is missing in the sandbox, and no more than that
            if entry.is_symlink():
                place.symlink_to(os.readlink(entry.name))
                continue
            place.mkdir() if entry.is_dir() else place.touch()
            mount(entry.name, str(place), "none", MS_BIND | MS_REC)
    os.chdir("/")
    NETNS_DIRECTORY.mkdir()


def _mount() -> None:
    with _step("mount /"):
        # The machine's mounts go on arriving (and leaving), ours stay in.
        mount("none", "/", "none", MS_REC | MS_SLAVE)
    with suppress(OSError):  # forbidden where the machine's own /proc is masked, as in containers
        mount("proc", "/proc", "proc", _PLAIN)
    with suppress(OSError):  # likewise; /sys/class/net then shows the machine's devices
        os.chdir("/sys/fs/cgroup")
        mount("sysfs", "/sys", "sysfs", _PLAIN)
        mount(".", "/sys/fs/cgroup", "none", MS_BIND | MS_REC)
    os.chdir("/")
    with _step("mount /run/netns"):
        if not NETNS_DIRECTORY.is_dir():
            _cover_run()
        mount("tmpfs", str(NETNS_DIRECTORY), "tmpfs", _PLAIN, "mode=755")


def _hold(lab: str, machine: int, status: int, keep: int) -> NoReturn:
    _mount()
    with _step("marking lo"):
        set_loopback_alias(mark(lab, HOST))
    signal.pthread_sigmask(signal.SIG_SETMASK, _OBEYED)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with _step("starting the holder"):
        signals = signalfd(_OBEYED)
        os.set_inheritable(signals, True)
        os.set_inheritable(keep, True)
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        command = [sys.executable, "-I", "-S", str(_HOLDER), WORD, lab, str(machine)]
        command += [str(keep), str(signals)]
        os.write(status, b"ready\n")
        become(command, environment)


def become_holder(lab: str, status: int, keep: int) -> NoReturn:
    """Make a child of the calling process the holder of `lab`, and end the calling process, forked for just this."""
    code = 1
    machine = own_namespace()
    try:
        leave_session()
        silence_streams()
        close_descriptors(but=(status, keep))
        forget_signals()
        own_proc_files()
        _unshare()
        with _step("fork"):
            pid = os.fork()
        if pid == 0:
            os.setsid()
            _hold(lab, machine, status, keep)
        os.write(status, b"pid %d\n" % pid)
        code = 0
    except _Failed as failure:
        os.write(status, f"failed {failure.number} {failure.step}\n".encode())
    except OSError as error:
        os.write(status, f"failed {error.errno} {error.filename or 'system call'}\n".encode())
    finally:
        os._exit(code)
