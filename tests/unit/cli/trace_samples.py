"""A small lab and packets in it, for the tests of `trace`."""

from __future__ import annotations

from netlab.app.tracing import Traced
from netlab.simulator.compiling import network_of
from netlab.simulator.targets import address_of
from netlab.simulator.trace import Question, trace
from netlab.topology import read

FILE = "path.yml"
#: A narrow, slow cable behind a router; a node without an address; a server that knows no way back to 10.9.0.1.
PATH = """\
name: path
netns:
  client:
    interfaces: {eth0: {peer: "router:eth0", addresses: [10.0.0.2/24, 10.9.0.1/32]}}
    gateway: 10.0.0.1
  router:
    forwarding: true
    interfaces:
      eth0: {address: 10.0.0.1/24}
      eth1: {peer: "server:eth0", address: 10.1.0.1/24, mtu: 1400, impair: {delay: 20ms, loss: 10%}}
  server:
    interfaces: {eth0: {address: 10.1.0.2/24}}
    routes: [{to: 10.0.0.0/24, via: 10.1.0.1}]
  mute: {}
"""


def traced(source: str, destination: str, *, live: bool = False, text: str = PATH, **asked: int | str | bool) -> Traced:
    """Follow a packet in the lab; `asked` are fields of its Question."""
    lab = read(text.encode(), FILE)
    network = network_of(lab.facts)
    address = address_of(network, source, destination)
    assert address is not None
    kind = str(asked.pop("kind", "icmp"))
    found = trace(network, source, Question(kind, address, **asked))  # type: ignore[arg-type]
    return Traced(lab.name, destination, live, found, lab.origin)


TOO_BIG = traced("client", "server", size=1500, dont_fragment=True)
ANSWERED = traced("client", "server")
REFUSED = traced("client", "server:eth0", kind="tcp", port=80)
