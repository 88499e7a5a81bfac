"""An errno and a machine's settings become words and something to type."""

from __future__ import annotations

import errno
from dataclasses import replace

import pytest

from netlab.namespaces.lacks import Limits, explain, read_limits

COUNTS = (("user", "1000"), ("mnt", "1000"), ("net", "1000"), ("pid", "1000"))
USER = Limits(root=False, userns_clone=None, apparmor=None, counts=COUNTS, filtered=False, container=False)


@pytest.mark.parametrize(
    ("limits", "number", "what", "fix"),
    [
        (replace(USER, userns_clone="0"), errno.EPERM, "kernel.unprivileged_userns_clone is 0", "userns_clone=1"),
        (
            replace(USER, userns_clone="1", apparmor="1"),
            errno.EACCES,
            "AppArmor keeps",
            "apparmor_restrict_unprivileged_userns=0",
        ),
        (replace(USER, container=True), errno.EPERM, "this container may not", "docker run --privileged"),
        (replace(USER, filtered=True, root=True), errno.EPERM, "seccomp", "seccomp=unconfined"),
        (replace(USER, root=True), errno.EPERM, "even root may not", "CAP_SYS_ADMIN"),
        (USER, errno.EPERM, "in a chroot", "run netlab as root"),
        (USER, errno.ENOSPC, "a limit is reached (user.max_user_namespaces = 1000, ", "netlab status"),
        (
            replace(USER, counts=(("user", "0"), *COUNTS[1:])),
            errno.ENOSPC,
            "user.max_user_namespaces is 0",
            "sysctl -w user.max_user_namespaces=15000",
        ),
        (
            replace(USER, counts=(*COUNTS[:2], ("net", "0"))),
            errno.EUSERS,
            "allows no net namespaces",
            "user.max_net_namespaces=15000",
        ),
        (USER, errno.EINVAL, "kernel lacks a kind of namespace", "CONFIG_USER_NS"),
        (USER, errno.EIO, "the sandbox could not be made: unshare: Input/output error", "netlab doctor"),
    ],
)
def test_each_refusal_says_why_and_what_to_type(limits: Limits, number: int, what: str, fix: str) -> None:
    refusal = explain("unshare", number, limits)
    assert what in refusal.what
    assert refusal.fix is not None
    assert fix in refusal.fix


def test_the_settings_of_any_machine_can_be_read() -> None:
    limits = read_limits()
    assert [kind for kind, _ in limits.counts] == ["user", "mnt", "net", "pid"]
