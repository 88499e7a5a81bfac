"""Namespaces and sandboxes: entering, making, holding, finding and ending them, below all that touches the machine.

A node is a network namespace registered in /run/netns. A sandbox is the set of namespaces in which a lab's `host` is
not the machine itself, held by one small process. This package knows nothing of facts, plans or devices.
"""

from netlab.namespaces.inside import enter_sandbox, run_inside
from netlab.namespaces.loopback import loopback_alias, set_loopback_alias
from netlab.namespaces.nodes import (
    NETNS_DIRECTORY,
    is_namespace,
    namespace_inode,
    namespace_path,
    open_namespace,
    open_path,
    own_namespace,
    prepare_directory,
)
from netlab.namespaces.sandbox import (
    PendingSandbox,
    Sandbox,
    end_sandbox,
    find_sandboxes,
    is_alive,
    make_sandbox,
)

__all__ = [
    "NETNS_DIRECTORY",
    "PendingSandbox",
    "Sandbox",
    "end_sandbox",
    "enter_sandbox",
    "find_sandboxes",
    "is_alive",
    "is_namespace",
    "loopback_alias",
    "make_sandbox",
    "namespace_inode",
    "namespace_path",
    "open_namespace",
    "open_path",
    "own_namespace",
    "prepare_directory",
    "run_inside",
    "set_loopback_alias",
]
