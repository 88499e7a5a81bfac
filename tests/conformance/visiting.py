"""Visits to the nodes of a lab, by the calling thread: what it opens there is of that node."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from netlab.kernel.place import journey
from netlab.namespaces import open_namespace
from netlab.namespaces.syscalls import CLONE_NEWNET, setns


@contextmanager
def visiting(lab: str, nodes: Sequence[str]) -> Iterator[Callable[[str], None]]:
    """Give what takes the thread into a node; in the end it is back where it was, which is the node `host`.

    Raises FileNotFoundError where a node has no namespace.
    """
    with journey(), ExitStack() as stack:
        opened: dict[str, int] = {}
        for node in nodes:
            here = node == "host"
            fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC) if here else open_namespace(lab, node)
            stack.callback(os.close, fd)
            opened[node] = fd

        def enter(node: str) -> None:
            setns(opened[node], CLONE_NEWNET)

        yield enter
