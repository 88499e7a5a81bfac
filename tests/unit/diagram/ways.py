"""Ways of packets through small labs, written by hand: what the simulator would say."""

from __future__ import annotations

from netlab.diagram import Hop, Leg, Note, Stop, Way
from netlab.facts import Facts
from tests.unit.diagram import labs


def hops(text: str) -> tuple[Hop, ...]:
    """Read hops, written `node:device>` where the packet leaves by it, `>node:device` where it comes in."""
    found = []
    for word in text.split():
        node, _, device = word.strip(">").partition(":")
        found.append(Hop(node, device, word.endswith(">")))
    return tuple(found)


def turned(found: tuple[Hop, ...]) -> tuple[Hop, ...]:
    """Give the same way in the other direction."""
    return tuple(Hop(hop.node, hop.device, not hop.leaves) for hop in reversed(found))


def answered(
    title: str, there: tuple[Hop, ...], notes: tuple[Note, ...] = (), notes_back: tuple[Note, ...] = ()
) -> Way:
    """Give a way on which a ping and its answer come through."""
    first, last = there[0], there[-1]
    return Way(
        f"ping {title}",
        Leg("1 → 2 echo request", there, Stop(last.node, last.device, "tick", "delivered"), notes),
        Leg("2 → 1 echo reply", turned(there), Stop(first.node, first.device, "tick", "echo reply"), notes_back),
        "it is answered",
        well=True,
    )


def lost(title: str, there: tuple[Hop, ...], stop: Stop, back: Leg | None = None) -> Way:
    """Give a way on which a ping is lost."""
    leg = Leg("1 → 2 echo request", there, stop)
    return Way(f"ping {title}", leg, back, f"{stop.verdict}: {stop.words}", well=False, mend="mend it")


ON_A_BRIDGE = answered("ns0 → ns1", hops("ns0:veth0-ns> >host:veth0-br host:veth1-br> >ns1:veth1-ns"))
TRANSLATED = answered(
    "web → outside",
    hops("web:eth0> >machine:v-web >machine:docker0 machine:eth0> >outside:eth0"),
    (Note("machine", None, "172.17.0.2 becomes 192.168.0.8"),),
    (Note("machine", None, "192.168.0.8 becomes 172.17.0.2 again"),),
)
FILTERED = lost(
    "outside → web",
    hops("outside:eth0> >machine:eth0"),
    Stop("machine", None, "cross", "filtered", "chain filter-forward: policy drop", "docker0.yml:11"),
)
TOLD = lost(
    "ns0 → 192.0.2.1",
    hops("ns0:veth0-ns> >host:veth0-br >host:br0"),
    Stop("host", None, "cross", "no-route", "host has no route to 192.0.2.1"),
    Leg(
        "3 → 1 icmp net unreachable",
        hops("host:br0> host:veth0-br> >ns0:veth0-ns"),
        Stop("ns0", "veth0-ns", "told", "icmp net unreachable"),
    ),
)
TUNNEL = answered(
    "pod11 → pod21",
    hops(
        "pod11:eth0> >node1:v1 >node1:cni0 node1:flannel.1> node1:eth0>"
        " >node2:eth0 >node2:flannel.1 node2:cni0> node2:v1> >pod21:eth0"
    ),
    (
        Note("node1", "flannel.1", "carries it to 192.168.50.2, VXLAN 1"),
        Note("node2", "flannel.1", "takes it out of VXLAN 1"),
    ),
)
OVERLAY = answered(
    "c1 → c3",
    hops(
        "c1:eth0> >n1:p n1:vx0> n1:eth0> >host:v1 host:v3> >n3:eth0 >n3:vx0 n3:p> >c3:eth0",
    ),
)
#: By name: the facts of the lab, and the way through it.
ALL: dict[str, tuple[Facts, Way]] = {
    "bridge3": (labs.bridge3(), ON_A_BRIDGE),
    "translated": (labs.translated(), TRANSLATED),
    "filtered": (labs.translated(), FILTERED),
    "told": (labs.bridge3(), TOLD),
    "tunnel": (labs.pod_network(), TUNNEL),
    "overlay": (labs.overlay(), OVERLAY),
}
