"""A question for a neighbour that nobody answered -> why, in words: who has the address, and what became of it there.

What is known of that is what a walk has noted of its questions: where their copies ended, who heard one and said
nothing, and who answered.
"""

from __future__ import annotations

from collections.abc import Sequence

from netlab.facts import Key
from netlab.simulator.network import Network, Nic
from netlab.simulator.packet import is_link_local
from netlab.simulator.verdicts import Verdict
from netlab.simulator.walk import End

#: Ends of copies of a frame that came where it was not for anybody.
_ELSEWHERE = frozenset({Verdict.NOT_TAKEN, Verdict.NO_CARRIER})


def why_unanswered(network: Network, nic: Nic, near: str, noted: Sequence[End] | None) -> tuple[str, Key | None]:
    """Say why a device does not find out where an address is, and give the fact behind it.

    `noted` is what became of the question; None where only the ends of packets matter, and nothing was noted.
    """
    if not nic.carrier:
        below = nic.peer or nic.lower
        words = f"{nic} has no carrier, so nobody tells where {near} is"
        return words + (f": {below} is down" if below else ""), nic.key
    if ":" in near and not is_link_local(near) and not nic.speaks(6):
        return f"IPv6 is off on {nic}", nic.key
    words = f"nobody on {nic} says that it has {near}"
    if noted is None:
        return words, nic.key
    holder = next((node.addresses[near] for node in network.holders(near) if node is not nic.node), None)
    if holder is None:
        lost = next((end for end in noted if end.verdict is Verdict.LOST and end.node == nic.node.name), None)
        if lost is not None:
            return f"{words}: {lost.words}", lost.key
        return f"{words}; no node has that address", nic.key
    return _with_holder(words, nic, holder, noted)


def _with_holder(words: str, nic: Nic, holder: Nic, noted: Sequence[End]) -> tuple[str, Key | None]:
    """Say what keeps one who has the address from saying so."""
    if not holder.carrier:
        return f"{words}: {holder} has it, and {'is down' if not holder.up else 'has no carrier'}", holder.key
    silent = next((end for end in noted if end.verdict is Verdict.IGNORED), None)
    if silent is not None:
        return f"{words}: {silent.words}", silent.key
    answered = next((number for number, end in enumerate(noted) if end.verdict is Verdict.DELIVERED), None)
    ends = [end for end in noted[answered or 0 :] if end.verdict not in _ELSEWHERE | {Verdict.DELIVERED}]
    what = "does not hear the question" if answered is None else "answers, and is not heard"
    if ends:
        return f"{words}: {holder} {what}, for {ends[0].words}", ends[0].key
    where = "" if answered is not None else "; it is not on this link, or its port is closed"
    return f"{words}: {holder} {what}{where}", nic.key
