"""Gives the links of a sketch subnets and their members addresses, and adds what carries addresses without a wire."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_interface

from tests.conformance.labs_sketch import Interface, Link, Network, Sketch, place

#: Prefix lengths of subnets; the usual ones more than once.
_OF_BRIDGES = (24, 24, 24, 24, 24, 25, 26, 28, 16)
_OF_CABLES = {4: (30, 30, 31, 24, 29), 6: (64, 64, 126, 127)}


def draw_addresses(sketch: Sketch) -> None:
    """Give each link its subnets, and each member an address of each; some have one more."""
    rng = sketch.rng
    versions: tuple[int, ...] = (4,)
    if sketch.has("ipv6", 0.5):
        versions = (6,) if rng.random() < 0.25 else (4, 6)
    for number, link in enumerate(sketch.links):
        of_link = (rng.choice(versions),) if len(versions) == 2 and rng.random() < 0.15 else versions
        for version in of_link:
            address_link(sketch, link, version, number)
    if 4 in versions and sketch.suffers("duplicate-subnets", 0.15):
        _repeat_subnet(sketch)
    for _ in range(2):
        if sketch.has("secondaries", 0.25):
            _second_address(sketch)
    _draw_loose(sketch, versions)


def write_addresses(sketch: Sketch) -> None:
    """Write the addresses that the members of links have into the document."""
    for link in sketch.links:
        for member in link.members:
            said = place(sketch.document, member.path)
            texts = [str(one) for one in member.addresses]
            said.pop("addresses", None)
            if len(texts) > 1:
                said.pop("address", None)
                said["addresses"] = texts
            else:
                said["address"] = texts[0] if texts else "none"


def address_link(sketch: Sketch, link: Link, version: int, number: int) -> None:
    """Give a link a subnet of its own by its number, and its members addresses in it."""
    rng = sketch.rng
    if version == 4:
        prefix = rng.choice(_OF_BRIDGES if link.bridges or len(link.members) > 2 else _OF_CABLES[4])
        base = rng.choice((f"10.{number}.{rng.randrange(4)}.0", f"172.16.{number}.0", f"192.168.{number}.0"))
        whole = IPv4Network(f"10.{number}.0.0/16" if prefix == 16 else f"{base}/24")
        link.subnets[4] = whole if prefix == 16 else rng.choice(list(whole.subnets(new_prefix=prefix)))
    else:
        prefix = 64 if link.bridges or len(link.members) > 2 else rng.choice(_OF_CABLES[6])
        link.subnets[6] = IPv6Network(f"fd00:{number + 1:x}::/{prefix}")
    _address_members(sketch, link, version, set())


def free_address(sketch: Sketch, link: Link, version: int, taken: set[Interface] | None = None) -> Interface | None:
    """Draw an address of a link's subnet that nobody on it has; None where there is none left."""
    subnet = link.subnets.get(version)
    if subnet is None:
        return None
    used = {one for member in link.members for one in member.addresses} | (taken or set())
    free = [one for one in _some(subnet) if one not in used]
    return sketch.rng.choice(free) if free else None


def _some(subnet: Network) -> list[Interface]:
    """Give addresses of a subnet: the first few dozen, and one high up."""
    first = int(subnet.num_addresses > 2)
    last = subnet.num_addresses - (2 if first and subnet.version == 4 else 1)
    numbers = dict.fromkeys((*range(first, min(24, last) + 1), min(last, 254)))
    return [ip_interface(f"{subnet[number]}/{subnet.prefixlen}") for number in numbers]


def _address_members(sketch: Sketch, link: Link, version: int, taken: set[Interface]) -> None:
    for member in link.members:
        if version == 6 and len(link.members) > 2 and len(link.subnets) == 2 and sketch.rng.random() < 0.1:
            continue  # Speaks IPv4 only.
        found = free_address(sketch, link, version, taken)
        if found is not None:
            member.addresses.append(found)


def _repeat_subnet(sketch: Sketch) -> None:
    """Use the IPv4 subnet of one link on another one too."""
    rng = sketch.rng
    links = [link for link in sketch.links if link.of_version(4)]
    if len(links) < 2:
        return
    one, other = rng.sample(links, 2)
    shared = {member.node for member in one.members} & {member.node for member in other.members}
    taken = {address for member in one.members for address in member.addresses}
    subnet = one.subnets[4]
    if subnet.num_addresses < len(one.members) + len(other.members) + 2:
        return
    for member in other.members:
        member.addresses = member.of_version(6)
    other.subnets[4] = subnet
    _address_members(sketch, other, 4, taken if shared or rng.random() < 0.5 else set())


def _second_address(sketch: Sketch) -> None:
    """Give a device one more address, most often of the subnet that it has one of already."""
    rng = sketch.rng
    found = [(link, member) for link, member in sketch.members() if link.bridges]
    if not found:
        return
    link, member = rng.choice(found)
    taken = {address for _, one in sketch.members() for address in one.addresses}
    # Where a bridge has an address itself, a file may not have others than of its subnet on it.
    if any(one.path[-2] == "bridges" for one in link.members) or rng.random() < 0.7:
        more = free_address(sketch, link, rng.choice(sorted(link.subnets)), taken)
    else:
        more = ip_interface(f"10.99.{sketch.links.index(link)}.{rng.randint(1, 254)}/24")
    if more is not None:
        member.addresses.append(more)


def _draw_loose(sketch: Sketch, versions: tuple[int, ...]) -> None:
    """Add addresses on `lo`, on dummies and on taps that no program holds."""
    rng = sketch.rng
    for number, node in enumerate(sketch.nodes):
        kinds = ("lo", "dummy", "tap")
        for kind, chance in zip(kinds, (0.08, 0.06, 0.03), strict=True):
            if not sketch.has("loose", chance):
                continue
            version = rng.choice(versions)
            alone = kind == "lo" or rng.random() < 0.5
            _add_loose(sketch, node, kind, _loose(version, number, kinds.index(kind), alone))


def _loose(version: int, number: int, kind: int, alone: bool) -> Interface:
    if version == 4:
        return ip_interface(f"10.25{kind}.{number}.1/{32 if alone else 24}")
    return ip_interface(f"fd25:{kind}:{number:x}::1/{128 if alone else 64}")


def _add_loose(sketch: Sketch, node: str, kind: str, address: Interface) -> None:
    if kind == "lo":
        sketch.section(node, "interfaces")["lo"] = {"address": str(address)}
    elif kind == "dummy":
        sketch.section(node, "dummies")["vip0"] = {"address": str(address)}
    else:
        mode = {"mode": "tun"} if sketch.rng.random() < 0.3 else {}
        sketch.section(node, "taps")["tap0"] = {**mode, "address": str(address)}
    sketch.behind.append((address.network, node))
