"""The shape of `checks`: what may be asked, of whom, and what is expected."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from netlab.kinds.fields import DeviceName, Duration, Section, Short, Text, Whole, fault
from netlab.source import kind_of, quote
from netlab.topology.bounds import Losses, RoundTrips
from netlab.topology.lab import CheckKind

#: What each kind of check may expect; the first is the default.
EXPECTATIONS: dict[CheckKind, tuple[str, ...]] = {
    "ping": ("reply", "unreachable", "no-route", "timeout", "ttl-exceeded"),
    "arp": ("reply", "timeout"),
    "tcp": ("open", "refused", "filtered"),
    "udp": ("reply", "refused", "timeout"),
    "latency": ("inside",),
    "loss": ("inside",),
}
#: The kinds that measure, and what they do not take: the check's key, and the reason.
MEASURED: tuple[CheckKind, ...] = ("latency", "loss")
REFUSED = {
    "expect": "between says what is expected",
    "by": "the target answers, or nobody",
    "for": "each try is a measurement of its own; count says of how many echoes",
}

_ARROW = re.compile(r"(.*?)\s*->\s*(.*)\Z", re.DOTALL)


class AskSection(Section):
    """Who asks whom."""

    source: Text = Field(alias="from", description="The node that sends.")
    to: Text = Field(description="An address, a node, or node:device; tcp and udp add :PORT.")
    within: Duration | None = Field(None, description="Try again until it holds, for this long at most.")
    name: Text | None = Field(None, description="A name for this check.")


class ProbeSection(AskSection):
    """Who asks whom, and for how long. `ns0 -> ns1` for short."""

    by: Text | None = Field(None, description="The node that must have sent the answer or the ICMP error.")
    lasting: Duration | None = Field(None, alias="for", description="It must hold all along, for this long.")


class PingSection(ProbeSection):
    """An ICMP echo request."""

    expect: Literal["reply", "unreachable", "no-route", "timeout", "ttl-exceeded"] | None = Field(
        None, description="How it must end; `reply` unless said."
    )


class ArpSection(ProbeSection):
    """An ARP request, a frame put on the device itself."""

    expect: Literal["reply", "timeout"] | None = Field(None, description="How it must end; `reply` unless said.")
    dev: DeviceName | None = Field(None, description="The device that asks; else the one on the target's subnet.")


class TcpSection(ProbeSection):
    """A TCP connection."""

    expect: Literal["open", "refused", "filtered"] | None = Field(
        None, description="How it must end; `open` unless said."
    )


class UdpSection(ProbeSection):
    """A UDP datagram and its answer."""

    expect: Literal["reply", "refused", "timeout"] | None = Field(
        None, description="How it must end; `reply` unless said."
    )
    send: Text | None = Field(None, description="The text to send.")
    reply: Text | None = Field(None, description="The text that must come back.")


class LatencySection(AskSection):
    """The round trips of echo requests, one after another."""

    between: RoundTrips = Field(description="The least and the most that their median may be: [38ms, 60ms].")
    count: Whole = Field(5, ge=1, le=100, description="How many round trips.")


class LossSection(AskSection):
    """Echo requests in quick succession, and how many have no answer."""

    between: Losses = Field(description="The least and the most that may be lost: [1%, 6%].")
    count: Whole = Field(200, ge=1, le=10_000, description="How many echo requests.")


def _bounded(kind: CheckKind, example: str) -> BeforeValidator:
    """Refuse a short form, which has no place for what it may come to."""

    def read(value: Any) -> Any:
        match = _ARROW.match(value.strip()) if isinstance(value, str) else None
        if match is not None:
            fix = f"write {kind}: {{from: {match[1]}, to: {match[2]}, between: {example}}}"
            raise fault("check", f"{quote(value)} does not say what the {kind} may be", fix)
        return value

    return BeforeValidator(read)


def _expand(value: Any) -> Any:
    if not isinstance(value, str):
        if isinstance(value, dict | Section):
            return value
        raise fault("type", f"must be text such as ns0 -> ns1, or a mapping, not a {kind_of(value)}")
    match = _ARROW.match(value.strip())
    if match is None or not match[1] or not match[2] or "->" in match[2]:
        raise fault("check", f"{quote(value)} does not say who asks whom", "write it as ns0 -> ns1")
    return {"from": match[1], "to": match[2]}


_SHORT = Short(_expand, ({"type": "string", "description": "FROM -> TO", "pattern": "->", "examples": ["ns0 -> ns1"]},))


class CheckSection(Section):
    """One check: `ping: ns0 -> ns1`, with `name`, `within`, `for`, `expect` and `by` beside it or inside."""

    ping: Annotated[PingSection, _SHORT] | None = Field(
        None, description="Ping: ICMP echo, through the node's own stack."
    )
    arp: Annotated[ArpSection, _SHORT] | None = Field(None, description="Ask who has an address, on the link.")
    tcp: Annotated[TcpSection, _SHORT] | None = Field(None, description="Open a TCP connection: ns0 -> ns1:80.")
    udp: Annotated[UdpSection, _SHORT] | None = Field(None, description="Send a UDP datagram: ns0 -> ns1:53.")
    latency: Annotated[LatencySection, _bounded("latency", "[38ms, 60ms]")] | None = Field(
        None, description="Measure round trips: {from: ns0, to: ns1, between: [38ms, 60ms]}."
    )
    loss: Annotated[LossSection, _bounded("loss", "[1%, 6%]")] | None = Field(
        None, description="Measure how much is lost, there and back: {from: ns0, to: ns1, between: [1%, 6%]}."
    )
    name: Text | None = Field(None, description="A name for this check.")
    expect: Text | None = Field(None, description="How it must end.")
    by: Text | None = Field(None, description="The node that must have sent the answer or the ICMP error.")
    within: Duration | None = Field(None, description="Try again until it holds, for this long at most.")
    lasting: Duration | None = Field(None, alias="for", description="It must hold all along, for this long.")

    @model_validator(mode="after")
    def _one_kind(self) -> CheckSection:
        """Refuse a check that asks nothing, or several things at once, or says one thing twice."""
        kinds = [kind for kind in EXPECTATIONS if getattr(self, kind) is not None]
        if len(kinds) != 1:
            found = "asks nothing" if not kinds else f"asks two things at once, {kinds[0]} and {kinds[1]}"
            fix = f"write one of {', '.join(EXPECTATIONS)}" if not kinds else "make it two checks"
            raise fault("check", f"the check {found}", fix)
        for key, given in (("expect", self.expect), ("by", self.by), ("for", self.lasting)):
            if self.kind in MEASURED and given is not None:
                raise fault("check", f"{self.kind} takes no {key}: {REFUSED[key]}", f"remove {key}")
        for key in ("name", "expect", "by", "within", "lasting"):
            if getattr(self, key) is not None and getattr(self.probe, key, None) is not None:
                shown = "for" if key == "lasting" else key
                raise fault("check", f"{shown} stands twice, beside {self.kind} and inside of it", "remove one")
        if self.expect is not None and self.expect not in EXPECTATIONS[self.kind]:
            raise fault(
                "value",
                f"{quote(self.expect)} is nothing that {self.kind} can expect",
                f"write one of {', '.join(EXPECTATIONS[self.kind])}",
            )
        return self

    @property
    def kind(self) -> CheckKind:
        for kind in EXPECTATIONS:
            if getattr(self, kind) is not None:
                return kind
        raise AssertionError("a check asks something")

    @property
    def probe(self) -> AskSection:
        """The section under the check's kind."""
        found = getattr(self, self.kind)
        assert isinstance(found, AskSection)
        return found

    def of(self, key: str) -> Any:
        """Give what stands under a key, beside the kind or inside of it."""
        outside = getattr(self, key, None)
        return outside if outside is not None else getattr(self.probe, key, None)


AnyCheck = CheckSection
