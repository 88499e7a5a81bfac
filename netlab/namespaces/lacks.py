"""Why the machine refuses namespaces: an errno, and what its settings say, turned into words and into what to type."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from netlab.errors import Unavailable

_LIMITS = ("user", "mnt", "net", "pid")
_CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")


@dataclass(frozen=True, slots=True)
class Limits:
    """What the machine says about making namespaces. None: it has no such setting."""

    root: bool
    #: kernel.unprivileged_userns_clone (Debian's and Arch's kernels): "0" forbids.
    userns_clone: str | None
    #: kernel.apparmor_restrict_unprivileged_userns (Ubuntu 24.04 and later): "1" forbids.
    apparmor: str | None
    #: user.max_KIND_namespaces, by kind.
    counts: tuple[tuple[str, str | None], ...]
    #: The process runs under a seccomp filter, as every process in a Docker container does.
    filtered: bool
    container: bool


def _setting(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None


def read_limits() -> Limits:
    """Read what the machine says about making namespaces."""
    status = _setting("/proc/self/status") or ""
    return Limits(
        root=os.geteuid() == 0,
        userns_clone=_setting("/proc/sys/kernel/unprivileged_userns_clone"),
        apparmor=_setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
        counts=tuple((kind, _setting(f"/proc/sys/user/max_{kind}_namespaces")) for kind in _LIMITS),
        filtered=any(line.split()[1:] == ["2"] for line in status.splitlines() if line.startswith("Seccomp:")),
        container=any(os.path.exists(mark) for mark in _CONTAINER_MARKS),
    )


def _too_many(limits: Limits) -> Unavailable:
    for kind, count in limits.counts:
        if count == "0":
            return Unavailable(
                f"this machine allows no {kind} namespaces: user.max_{kind}_namespaces is 0",
                f"sudo sysctl -w user.max_{kind}_namespaces=15000",
            )
    allowed = ", ".join(f"user.max_{kind}_namespaces = {count}" for kind, count in limits.counts if count is not None)
    return Unavailable(
        f"no more namespaces may be made: a limit is reached ({allowed}), or 32 user namespaces are nested",
        "destroy labs that are not needed (netlab status), or raise the limit: "
        "sudo sysctl -w user.max_user_namespaces=15000",
    )


def _forbidden(limits: Limits, step: str) -> Unavailable:
    if limits.container or limits.filtered:
        return Unavailable(
            f"this container may not make namespaces ({step} is forbidden, by its seccomp filter or capabilities)",
            "start it with: docker run --privileged ... "
            "(or --cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt seccomp=unconfined "
            "--security-opt apparmor=unconfined)",
        )
    if not limits.root and limits.userns_clone == "0":
        return Unavailable(
            "ordinary users may not make namespaces: kernel.unprivileged_userns_clone is 0",
            "sudo sysctl -w kernel.unprivileged_userns_clone=1, or run netlab as root",
        )
    if not limits.root and limits.apparmor == "1":
        return Unavailable(
            "AppArmor keeps ordinary users from working in user namespaces: "
            "kernel.apparmor_restrict_unprivileged_userns is 1",
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or run netlab as root",
        )
    if limits.root:
        return Unavailable(
            f"even root may not make namespaces here: {step} is forbidden", "give this process CAP_SYS_ADMIN"
        )
    return Unavailable(
        f"this user may not make namespaces: {step} is forbidden (in a chroot it always is)",
        "run netlab as root, or outside the chroot",
    )


def explain(step: str, number: int, limits: Limits) -> Unavailable:
    """Say why a step of making a sandbox failed with an errno, and what to type.

    EPERM and EACCES: somebody forbids it. ENOSPC (EUSERS before Linux 4.9): a limit is reached. EINVAL and ENOSYS: the
    kernel was built without a kind of namespace; unshare(2).
    """
    if number in (errno.ENOSPC, errno.EUSERS):
        return _too_many(limits)
    if number in (errno.EPERM, errno.EACCES):
        return _forbidden(limits, step)
    if number in (errno.EINVAL, errno.ENOSYS):
        return Unavailable(
            f"this kernel lacks a kind of namespace that a sandbox needs ({step}: {os.strerror(number)})",
            "use a kernel with CONFIG_USER_NS, CONFIG_NET_NS and CONFIG_PID_NS; netlab doctor shows what it has",
        )
    return Unavailable(f"the sandbox could not be made: {step}: {os.strerror(number)}", "netlab doctor")
