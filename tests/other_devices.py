"""Random devices on devices, for the random labs of tests/strategies.py: what is drawn, edited, and could be meant."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from random import Random

from netlab.facts import Address, Bridge, Device, DeviceSettings, End, Fact, Forwarding, Member, Port, Route, Veth, veth
from netlab.facts.devices import EVERYBODY, MASTERS, PASSTHRU, TAKERS, TUN_OF_IP, Options
from netlab.names import derived_mac

#: Every kind, and those that any kernel of the tests has (`dummy` by its stand-in).
EVERY_KIND = ("dummy", "vlan", "vxlan", "macvlan", "ipvlan", "bond", "vrf", "tun")
#: Names of their own, and some that veths and bridges have too, so that a name changes its kind.
NAMES = ("d0", "d1", "d2", "e2", "br1")
BELOW = ("e0", "e0", "e1", "br0", "d0", "d1")
MTUS = (1500, 1450, 1450, 1400, 1280, 1279, 1000)
HOSTS = ("198.51.100.1", "198.51.100.2", "fd66::1", "fd66::2")
_OVERHEAD = {"4": 50, "6": 70}

Link = Bridge | End | Device


def random_devices(rng: Random, node: str) -> list[Fact]:
    """Draw what a node has of them; half of the forwarding entries are of the wrong version, which `Stacks` finds."""
    found = [random_device(rng, node, name) for name in NAMES if rng.random() < 0.4]
    tunnels = [device.name for device in found if device.kind == "vxlan"]
    masters = [device for device in found if device.kind in MASTERS]
    ends = ("e0", "e1", "e2", *(device.name for device in found))
    found_members = [random_member(rng, node, name, masters) for name in ends if masters and rng.random() < 0.5]
    return [
        *found,
        *found_members,
        *(random_forwarding(rng, node, name) for name in tunnels for _ in range(rng.choice((0, 2, 4)))),
    ]


def random_member(rng: Random, node: str, name: str, masters: list[Device]) -> Member:
    master = rng.choice(masters)
    return Member(node, name, master.name, master.kind)


def random_device(rng: Random, node: str, name: str, kind: str | None = None) -> Device:
    kind = kind or rng.choice(EVERY_KIND)
    over = None if kind in ("dummy", "tun", *MASTERS) or (kind == "vxlan" and rng.random() < 0.5) else rng.choice(BELOW)
    options = _options(rng, kind, over)
    none = kind == "ipvlan" or ("mode", PASSTHRU) in options or (kind, ("mode", TUN_OF_IP) in options) == ("tun", True)
    mac = None if none else random_mac(rng, node, name)
    mtu = 65535 if kind == "vrf" else rng.choice(MTUS)
    return Device(node, name, kind, over, mac, mtu, rng.random() < 0.85, options)


def random_mac(rng: Random, node: str, name: str) -> str:
    """Draw one of two that no other device of the node has: macvlans of one device cannot share theirs."""
    return derived_mac("lab", node, name) if rng.random() < 0.6 else f"02:00:00:00:01:{sum(name.encode()) % 256:02x}"


def _options(rng: Random, kind: str, over: str | None) -> Options:
    if kind == "vlan":
        return (("id", rng.choice((10, 10, 20))), ("protocol", rng.choice((0x8100, 0x8100, 0x88A8))))
    if kind == "macvlan":
        return (("mode", rng.choice((1, 2, 4, 4, PASSTHRU))),)
    if kind == "bond":
        mode = rng.choice((0, 1, 1, 2))
        policy = (("xmit_hash_policy", rng.choice((0, 1))),) if mode == 2 else ()
        return (("miimon", rng.choice((50, 100))), ("mode", mode), *policy)
    if kind == "vrf":
        return (("table", rng.choice((100, 100, 101))),)
    if kind == "tun":
        return (("mode", rng.choice((2, 2, TUN_OF_IP))), *rng.choice(((), (("owner", 0),))))
    if kind == "ipvlan":
        return (("mode", rng.choice((0, 0, 1, 2))),)
    if kind == "vxlan":
        found: dict[str, int | str] = {
            "ageing": rng.choice((300, 60)),
            "id": rng.choice((7, 8)),
            "learning": rng.choice((0, 1, 1)),
            "port": rng.choice((4789, 4789, 8472)),
        }
        if over is not None and rng.random() < 0.3:
            found["group"] = "239.1.1.1"
        elif rng.random() < 0.6:
            found["local"] = rng.choice(("198.51.100.9", "fd66::9"))
        return tuple(sorted(found.items()))
    return ()


def random_forwarding(rng: Random, node: str, device: str) -> Forwarding:
    return Forwarding(node, device, EVERYBODY, rng.choice(HOSTS))


def changed(rng: Random, fact: Device) -> Device:
    """Change a device in place, or so that it must be replaced."""
    return rng.choice(
        (
            lambda: random_device(rng, fact.node, fact.name),
            lambda: fact if fact.kind == "vrf" else replace(fact, mtu=rng.choice(MTUS)),
            lambda: replace(fact, up=not fact.up),
            lambda: fact if fact.mac is None else replace(fact, mac=random_mac(rng, fact.node, fact.name)),
            lambda: fact if fact.over is None else replace(fact, over=rng.choice(BELOW)),
            lambda: fact if fact.kind == "tun" else _with_mode(_with_others(rng, fact), rng),
        )
    )()


def _with_others(rng: Random, fact: Device) -> Device:
    return replace(fact, options=_options(rng, fact.kind, fact.over))


def _with_mode(fact: Device, rng: Random) -> Device:
    """Give a device the MAC that goes with its options: in passthru it has none of its own."""
    if ("mode", PASSTHRU) in fact.options:
        return replace(fact, mac=None)
    return replace(fact, mac=random_mac(rng, fact.node, fact.name)) if fact.kind == "macvlan" else fact


def swap_names(facts: Iterable[Fact], node: str, one: str, other: str) -> list[Fact]:
    """Have two devices of a node swap their names; what stands on them goes along."""
    names = {one: other, other: one}
    return [_renamed(fact, names) if node in fact.nodes else fact for fact in facts if fact.family != "settings"] + [
        fact for fact in facts if fact.family == "settings"
    ]


def _renamed(fact: Fact, names: dict[str, str]) -> Fact:
    def new(name: str | None) -> str | None:
        return None if name is None else names.get(name, name)

    if isinstance(fact, Veth):
        return veth(*(replace(end, name=names.get(end.name, end.name)) for end in (fact.a, fact.b)))
    if isinstance(fact, Bridge):
        return replace(fact, name=names.get(fact.name, fact.name))
    if isinstance(fact, Device):
        return replace(fact, name=names.get(fact.name, fact.name), over=new(fact.over))
    if isinstance(fact, Port):
        return replace(fact, device=names.get(fact.device, fact.device), bridge=names.get(fact.bridge, fact.bridge))
    if isinstance(fact, Member):
        return replace(fact, device=names.get(fact.device, fact.device), master=names.get(fact.master, fact.master))
    if isinstance(fact, (Address, Forwarding)):
        return replace(fact, device=names.get(fact.device, fact.device))
    if isinstance(fact, DeviceSettings):
        device = names.get(fact.device, fact.device)
        values = ((name.replace(f".{fact.device}.", f".{device}."), value) for name, value in fact.values)
        return replace(fact, device=device, values=tuple(values))
    if isinstance(fact, Route):
        return replace(fact, device=new(fact.device))
    return fact


def _is_of_ip(link: Link) -> bool:
    return isinstance(link, Device) and link.kind == "tun" and ("mode", TUN_OF_IP) in link.options


class Stacks:
    """What stands on what among facts that are valid so far; `link` finds a device of a node."""

    def __init__(self, facts: dict[tuple[str, ...], Fact], link: Callable[[str, str], Link | None]) -> None:
        self._facts, self._link = facts, link

    def fits(self, fact: Device, kinds: Collection[str]) -> bool:
        """Tell whether a device can be there beside the others."""
        if fact.kind not in kinds or not self._has_free_number(fact):
            return False
        if ("mode", PASSTHRU) in fact.options and fact.mac is not None:
            return False
        if fact.over is None:
            return True
        below = self._link(fact.node, fact.over)
        if below is None or (fact.kind == "vlan" and fact.up and not below.up):
            return False
        if isinstance(below, Device) and (below.kind == "vrf" or _is_of_ip(below)):
            return False
        least = _OVERHEAD["6" if "fd66" in str(fact.options) else "4"] if fact.kind == "vxlan" else 0
        if (fact.mtu or 0) > (below.mtu or 0) - least:
            return False
        return fact.kind not in TAKERS or self._can_take(fact, below)

    def _has_free_number(self, fact: Device) -> bool:
        own = [claim for claim in fact.claims() if claim[0] in ("tag", "vni", "table")]
        return not any(claim in other.claims() for claim in own for other in self._facts.values())

    def _can_take(self, fact: Device, below: Link) -> bool:
        if isinstance(below, Device) and below.kind == fact.kind:
            return False  # The kernel would have it stand on what is below that.
        if ("port", fact.node, str(fact.over)) in self._facts:
            return False
        for other in self._facts.values():
            if not isinstance(other, Device) or (other.node, other.over) != (fact.node, fact.over):
                continue
            if other.kind in TAKERS and other.kind != fact.kind:
                return False
            modes = {dict(one.options).get("mode") for one in (fact, other)}
            if (other.kind == "macvlan" and PASSTHRU in modes) or (other.kind == "ipvlan" and len(modes) > 1):
                return False
        return True

    def can_plug(self, port: Port) -> bool:
        """Tell whether a device may be a bridge's port: nothing else takes its frames, and it is not above it."""
        device = self._link(port.node, port.device)
        if not isinstance(device, (End, Device)) or (isinstance(device, Device) and device.kind in ("ipvlan", "vrf")):
            return False
        if _is_of_ip(device):
            return False
        if ("member", port.node, port.device) in self._facts:
            return False
        above = (f for f in self._facts.values() if isinstance(f, Device) and f.node == port.node)
        if any(one.over == port.device and one.kind in TAKERS for one in above):
            return False
        return not self._is_above(port.node, port.device, port.bridge)

    def can_join(self, member: Member) -> bool:
        """Tell whether a device may be a member; of a bond only what nothing stands on, and what it has made fit."""
        device, master = self._link(member.node, member.device), self._link(member.node, member.master)
        if device is None or not isinstance(master, Device) or master.kind != member.kind:
            return False
        if ("port", member.node, member.device) in self._facts:
            return False
        if member.kind == "vrf":
            return not isinstance(device, Device) or device.kind != "vrf"
        above = (f for f in self._facts.values() if isinstance(f, Device) and f.node == member.node)
        fits = (device.up, device.mtu) == (True, master.mtu) and not any(one.over == member.device for one in above)
        return isinstance(device, End) and fits

    def is_bonded(self, node: str, device: str) -> bool:
        """Tell whether a device is a bond's member, which has no addresses."""
        member = self._facts.get(("member", node, device))
        return isinstance(member, Member) and member.kind == "bond"

    def has_no_frames(self, node: str, device: str) -> bool:
        """Tell whether a device carries packets, whose neighbours have no MACs."""
        link = self._link(node, device)
        return link is not None and _is_of_ip(link)

    def has_vrf(self, node: str) -> bool:
        return any(isinstance(f, Device) and (f.node, f.kind) == (node, "vrf") for f in self._facts.values())

    def _is_above(self, node: str, name: str, other: str) -> bool:
        link = self._link(node, name)
        beneath = [f.device for f in self._facts.values() if isinstance(f, Port) and (f.node, f.bridge) == (node, name)]
        beneath += [
            f.device for f in self._facts.values() if isinstance(f, Member) and (f.node, f.master) == (node, name)
        ]
        if isinstance(link, Device) and link.over is not None:
            beneath.append(link.over)
        return other in beneath or any(self._is_above(node, one, other) for one in beneath)

    def can_forward(self, fact: Forwarding) -> bool:
        """Tell whether a device is a VXLAN over the entry's version of IP, and is not told so by its group."""
        device = self._link(fact.node, fact.device)
        if not isinstance(device, Device) or device.kind != "vxlan" or "group" in dict(device.options):
            return False
        return (":" in fact.to) == (":" in str(dict(device.options).get("local", "")))
