"""The command that follows a packet: trace."""

from __future__ import annotations

import click

from netlab.cli.arguments import name_lab
from netlab.cli.call import Call
from netlab.cli.verb import verb

UNANSWERED = 1
_PORT = click.IntRange(1, 65535)


@verb(
    "trace",
    kind="trace",
    examples=[
        "netlab trace topologies/bridge3.yml ns0 ns1     # of a file: nothing is applied",
        "netlab trace bridge3 ns0 10.9.9.9",
        "netlab trace --live ns0 ns1 --tcp 80            # of the only lab, as it is in the kernel now",
    ],
)
@click.argument("words", metavar="[LAB|FILE] SRC DST", nargs=-1, required=True)
@click.option("--tcp", metavar="PORT", type=_PORT, help="Send a TCP SYN to that port.")
@click.option("--udp", metavar="PORT", type=_PORT, help="Send a UDP datagram to that port.")
@click.option("--icmp", is_flag=True, help="Send a ping (the default).")
@click.option("--size", metavar="BYTES", type=click.IntRange(28, 65535), help="How large it is, IP header included.")
@click.option("--ttl", metavar="N", type=click.IntRange(1, 255), help="Its TTL.  [default: its node's]")
@click.option("--dont-fragment", is_flag=True, help="It must not be taken apart (path MTU discovery).")
@click.option("--live", is_flag=True, help="Simulate what is in the kernel now, not what was asked for.")
def trace_command(
    call: Call,
    words: tuple[str, ...],
    tcp: int | None,
    udp: int | None,
    icmp: bool,
    size: int | None,
    ttl: int | None,
    dont_fragment: bool,
    live: bool,
) -> int:
    """Follow a packet from SRC to DST and back, without sending one.

    SRC is a node, DST a node, NODE:DEVICE or an address. Of a FILE nothing need be applied, and no privileges are
    needed. Exit with 1 when it is not answered.
    """
    from netlab import app
    from netlab.cli.render_trace import trace_text

    if len(words) not in (2, 3) or (len(words) == 2 and words[0].endswith((".yml", ".yaml"))):
        raise click.UsageError("name a source and a destination\n  fix: netlab trace [LAB|FILE] SRC DST")
    if sum((tcp is not None, udp is not None, icmp)) > 1:
        raise click.UsageError("--tcp, --udp and --icmp: choose one")
    target, (source, destination) = (words[0] if len(words) == 3 else None), words[-2:]
    name_lab(call, target)
    kind, port = ("tcp", tcp) if tcp is not None else ("udp", udp) if udp is not None else ("icmp", 0)
    found = app.trace(
        target,
        source,
        destination,
        kind=kind,
        port=port or 0,
        size=size,
        ttl=ttl,
        dont_fragment=dont_fragment,
        live=live,
    )
    call.lab = found.lab
    if call.json:
        call.document(found.to_json(), found.warnings)
    else:
        call.warn(found.warnings)
        call.show(trace_text(found))
    return 0 if found.trace.ok else UNANSWERED
