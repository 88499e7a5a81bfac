"""A refused step to words: what the errno means for this step, and what to type. Pure."""

from __future__ import annotations

import errno
import os

from netlab.facts import Address, Bridge, Device, DeviceSettings, Forwarding, Namespace, Port, Route, Settings, Veth
from netlab.plan.steps import Action, Step

_ROOT = "run as root, or with --sandbox"


def explain(step: Step, number: int, text: str) -> tuple[str, str | None]:
    """Give what a refusal means and what mends it (None where only the kernel's words are known)."""
    fact = step.fact
    found = _BY_FACT.get((type(fact), number)) or _GENERAL.get(number)
    if isinstance(fact, (Settings, DeviceSettings)):
        found = _OF_SETTINGS.get(number, found)
    if found is None:
        meaning, fix = os.strerror(number) if number else "refused", None
    else:
        meaning, fix = found
    if isinstance(fact, Route) and number == errno.ENETUNREACH:
        meaning = f"the gateway {fact.via} is not on a network that {fact.node} is connected to"
    if isinstance(fact, Route) and number == errno.EINVAL and fact.via is not None:
        fix = f"look whether {fact.via} is an address of {fact.node} itself"
    return (f"{meaning} ({text})" if text and text not in meaning else meaning), fix


_GENERAL: dict[int, tuple[str, str | None]] = {
    errno.EPERM: ("this process may not do that", _ROOT),
    errno.EACCES: ("this process may not do that", _ROOT),
    errno.EEXIST: ("something of that name is there already, and is not the lab's", "give it another name"),
    errno.EOPNOTSUPP: ("this kernel lacks it", "netlab doctor says what this kernel can do"),
    errno.ENODEV: ("the device has gone meanwhile: something else deletes devices here", "apply again"),
    errno.ENOENT: ("it has gone meanwhile: something else deletes things here", "apply again"),
    errno.EBUSY: ("something else uses it", "netlab status shows labs; apply again"),
    errno.ENOMEM: ("the kernel has no memory for it", "make the lab smaller, or free memory"),
    errno.ENOBUFS: ("a table of the kernel is full", "raise net.ipv4.neigh.default.gc_thresh3 on the machine"),
    errno.ENOSPC: ("a limit on namespaces is reached", "raise user.max_net_namespaces on the machine"),
    errno.EMFILE: ("this process may not open more files", "raise the limit: ulimit -n 65536"),
    errno.ENFILE: ("the machine may not open more files", "raise fs.file-max on the machine"),
    errno.ERANGE: ("a name or number is out of the kernel's range", "device names are at most 15 bytes"),
    errno.EROFS: ("settings are read-only here, as in an unprivileged container", "run where /proc/sys is writable"),
    errno.ETIMEDOUT: ("the kernel did not finish in time", "apply or destroy again: the rest is picked up"),
}

_BY_FACT: dict[tuple[type, int], tuple[str, str | None]] = {
    (Namespace, errno.EPERM): ("this process may not make network namespaces", _ROOT),
    (Bridge, errno.EOPNOTSUPP): (
        "this kernel has no bridges",
        "modprobe bridge, or install a kernel with CONFIG_BRIDGE",
    ),
    (Bridge, errno.EINVAL): ("the kernel does not take one of the bridge's options", "look at its priority and timers"),
    (Veth, errno.EOPNOTSUPP): ("this kernel has no veth pairs", "modprobe veth, or install a kernel with CONFIG_VETH"),
    (Veth, errno.EINVAL): ("the kernel does not take the MTU or MAC of an end", "an MTU is 68 to 65535, a MAC unicast"),
    (Device, errno.EEXIST): ("one of that name or number is there already, and is not the lab's", "give it another"),
    (Device, errno.EOPNOTSUPP): ("this kernel has no devices of that kind", "modprobe it, or install a kernel with it"),
    (Device, errno.EADDRINUSE): ("another program has that UDP port", "give the VXLAN another port"),
    (Forwarding, errno.EAFNOSUPPORT): ("its VXLAN goes over the other version of IP", "give local: an address of it"),
    (Port, 54): ("the bridge is full: it holds 1,023 ports", "use a second bridge"),
    (Port, errno.ELOOP): ("a bridge cannot be a port of a bridge", "join bridges by a veth pair"),
    (Address, errno.EACCES): ("IPv6 is off in that node", "set ipv6: true on the node"),
    (Route, errno.ENETUNREACH): (
        "the gateway is not on a connected network",
        "give an address on the gateway's subnet",
    ),
    (Route, errno.ENETDOWN): ("the route's device is down", "set up: true on the device"),
    (Route, errno.EINVAL): ("the kernel does not take the route", None),
    (Route, errno.EHOSTUNREACH): ("the gateway cannot be reached from that node", "look at the gateway's address"),
    (Route, errno.EEXIST): ("a route to the same place with the same metric is there", "give it another metric"),
}


_OF_SETTINGS: dict[int, tuple[str, str | None]] = {
    errno.ENOENT: ("this kernel has no such setting in a network namespace", "look for its name with: sysctl -a"),
    errno.EINVAL: ("the kernel does not take that value", "sysctl NAME shows one that it takes"),
    errno.ERANGE: ("the kernel does not take that value", "sysctl NAME shows one that it takes"),
    errno.EACCES: ("the kernel does not let a network namespace set that", "remove it from sysctls"),
    errno.EPERM: ("the kernel does not let a network namespace set that", "remove it from sysctls"),
    errno.EBUSY: ("the kernel cannot change that setting while it is in use", "destroy the lab, then apply again"),
}


def describe(step: Step) -> str:
    """Say what was tried, as a person would."""
    verb = {Action.CREATE: "make", Action.DELETE: "delete", Action.UPDATE: "change"}[step.action]
    return f"{verb} {step.fact.label()}"
