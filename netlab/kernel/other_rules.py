"""What nftables tells of everybody's tables -> the base chains among them, as far as netlab's rules can say them. Pure.

iptables' own tables are among them where iptables is iptables-nft. A rule of another form is kept as its JSON, and
matches nothing. Chains that are jumped to are written out in the place of the jump.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from netlab.facts import Chain
from netlab.kernel.rules import Json, rule_of

#: The families whose chains look at IP packets, and the version that each looks at.
_VERSIONS: Final[Mapping[str, int | None]] = {"inet": None, "ip": 4, "ip6": 6}
#: How deep chains may jump (NFT_JUMP_STACK_SIZE).
_DEEPEST: Final = 16
#: Statements that change nothing about where a packet goes.
_IDLE: Final = ("counter", "log")

#: Rules by (family, table, chain): the statements of each.
_Bodies = dict[tuple[str, str, str], list[list[Json]]]


def other_chains(node: str, told: Sequence[Json], own: str) -> list[Chain]:
    """Turn a ruleset (libnftables-json(5)) into its base chains that look at IP packets, but for those of a table."""
    bodies: _Bodies = {}
    for one in told:
        if "rule" in one:
            rule = one["rule"]
            bodies.setdefault((rule["family"], rule["table"], rule["chain"]), []).append(rule["expr"])
    found = []
    for chain in (one["chain"] for one in told if "chain" in one):
        family, table, name = chain["family"], chain["table"], chain["name"]
        if "hook" not in chain or family not in _VERSIONS or (family, table) == ("inet", own):
            continue
        version = _VERSIONS[family]
        found.append(
            Chain(
                node,
                f"{family} {table} {name}",
                str(chain.get("type", "filter")),
                str(chain["hook"]),
                int(chain.get("prio", 0)),
                str(chain.get("policy", "accept")),
                tuple(rule_of(one, ours=False) for one in _written_out(bodies, (family, table, name), version, 0)),
                version,
            )
        )
    return found


def _written_out(bodies: _Bodies, name: tuple[str, str, str], version: int | None, depth: int) -> Iterator[list[Json]]:
    """Give the rules of a chain in plain form, those of chains that it jumps to in their place."""
    for statements in bodies.get(name, ()):
        plain = [_plain(one, version) for one in statements if not any(word in one for word in _IDLE)]
        last = plain[-1] if plain else {}
        # Behind a goto the policy is next: that cannot be said of some packets only.
        jump = last.get("jump") or (last.get("goto") if len(plain) == 1 else None)
        if last.keys() == {"return"} and len(plain) == 1:
            return
        if jump is None or depth >= _DEEPEST:
            if plain and not _is_idle(plain):
                yield plain
            continue
        inner = _written_out(bodies, (*name[:2], jump["target"]), version, depth + 1)
        yield from ([*plain[:-1], *rest] for rest in inner)
        if "goto" in last:
            return


def _is_idle(statements: Sequence[Json]) -> bool:
    """Tell whether a rule does nothing: it only counted, or matched to be counted."""
    return all("match" in one for one in statements)


def _plain(statement: Json, version: int | None) -> Json:
    """Give a statement in the form that netlab writes: several say the same."""
    if "match" in statement:
        match = statement["match"]
        payload = match["left"].get("payload", {}) if isinstance(match["left"], dict) else {}
        names_protocol = (payload.get("protocol"), payload.get("field")) in (("ip", "protocol"), ("ip6", "nexthdr"))
        # In a chain of both versions it is of one, which only ICMP's own protocols say as well.
        if names_protocol and (version is not None or match["right"] in ("icmp", "ipv6-icmp")):
            return {"match": {**match, "left": {"meta": {"key": "l4proto"}}}}
        return statement
    for verdict in ("snat", "dnat"):
        to = statement.get(verdict)
        if isinstance(to, dict) and "family" not in to and version is not None:
            return {verdict: {"family": "ip6" if version == 6 else "ip", **to}}
    reject = statement.get("reject", {})
    if isinstance(reject, dict) and reject.get("type") == "tcp reset":
        return {"tcp reset": None}  # which no rule of netlab's says
    return statement
