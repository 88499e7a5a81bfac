"""Impairments to queueing disciplines and back: netem, or tbf for a rate alone where the kernel has no netem. Pure."""

from __future__ import annotations

from struct import Struct

from netlab.facts import Impairment
from netlab.facts.impairment import bits_of, burst_of, microseconds_of, rate_text, raw_share, share_text, time_text
from netlab.kernel.codec import NLM_F_CREATE, NLM_F_DUMP, NLM_F_REPLACE, NLM_F_REQUEST, Message, attribute, table

#: include/uapi/linux/rtnetlink.h and pkt_sched.h.
RTM_NEWQDISC, RTM_DELQDISC, RTM_GETQDISC = 36, 37, 38
_TCA_KIND, _TCA_OPTIONS, _ROOT = 1, 2, 0xFFFFFFFF
_TC = Struct("=BxxxiIII")
#: struct tc_netem_qopt: latency, limit, loss, gap, duplicate, jitter; times of this older form are left 0.
_NETEM = Struct("=IIIIII")
_CORRELATION, _REORDER, _CORRUPT, _RATE, _RATE64, _LATENCY64, _JITTER64 = 1, 3, 4, 6, 8, 10, 11
_TWO, _SLOW, _WIDE, _SIGNED = Struct("=II"), Struct("=IiIi"), Struct("=Q"), Struct("=q")
#: struct tc_tbf_qopt: two struct tc_ratespec, limit, buffer, mtu.
_TBF = Struct("=BBHhHI BBHhHI III")
_TBF_PARMS, _TBF_RATE64, _TBF_BURST = 1, 4, 6
#: TC_LINKLAYER_ETHERNET: the kernel works out itself what a packet costs, without a table.
_ETHERNET = 1
#: Packets that netem holds at most, as tc has it.
_LIMIT = 1000
#: Nanoseconds of a tick (PSCHED_SHIFT).
_TICK = 64


def new_qdisc(fact: Impairment, index: int, netem: bool) -> Message:
    """Give the message that puts an impairment on a device, in place of what is there."""
    kind, options = ("netem", _netem(fact)) if netem else ("tbf", _tbf(bits_of(fact.rate or "8bit") // 8))
    body = _TC.pack(0, index, 0, _ROOT, 0) + attribute(_TCA_KIND, kind.encode() + b"\0")
    return RTM_NEWQDISC, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE, body + attribute(_TCA_OPTIONS, options)


def delete_qdisc(index: int) -> Message:
    """Give the message that takes what is on a device away: the kernel's own comes back."""
    return RTM_DELQDISC, NLM_F_REQUEST, _TC.pack(0, index, 0, _ROOT, 0)


def qdisc_dump() -> Message:
    return RTM_GETQDISC, NLM_F_REQUEST | NLM_F_DUMP, _TC.pack(0, 0, 0, 0, 0)


def _share(text: str | None) -> int:
    return 0 if text is None else raw_share(float(text.removesuffix("%")))


def _nanoseconds(text: str | None) -> int:
    return 0 if text is None else microseconds_of(text) * 1000


def _netem(fact: Impairment) -> bytes:
    gap = 1 if fact.reorder is not None else 0
    found = _NETEM.pack(0, _LIMIT, _share(fact.loss), gap, _share(fact.duplicate), 0)
    found += attribute(_LATENCY64, _SIGNED.pack(_nanoseconds(fact.delay)))
    found += attribute(_JITTER64, _SIGNED.pack(_nanoseconds(fact.jitter)))
    # What is not said of a discipline that is there already stays as it is (netem_change): so all is said.
    found += attribute(_CORRELATION, bytes(12))
    for number, share in ((_REORDER, fact.reorder), (_CORRUPT, fact.corrupt)):
        found += attribute(number, _TWO.pack(_share(share), 0))
    rate = 0 if fact.rate is None else bits_of(fact.rate) // 8
    return found + attribute(_RATE, _SLOW.pack(rate, 0, 0, 0))


def _tbf(rate: int) -> bytes:
    """Give a bucket, and a queue that holds it and a twentieth of a second more."""
    burst = burst_of(rate * 8)
    buffer = min(burst * 10**9 // rate // _TICK, 0xFFFFFFFF)
    spec = (0, _ETHERNET, 0, 0, 0, rate)
    parms = _TBF.pack(*spec, 0, 0, 0, 0, 0, 0, burst + rate // 20, buffer, 0)
    return attribute(_TBF_PARMS, parms) + attribute(_TBF_BURST, burst.to_bytes(4, "little"))


def impairment(raw: bytes, start: int, end: int) -> tuple[int, Impairment] | None:
    """Turn a RTM_NEWQDISC body into (device index, impairment without node and device); None for any other."""
    _, index, _, parent, _ = _TC.unpack_from(raw, start)
    body = raw[start + _TC.size : end]
    at = table(body)
    kind = body[at[_TCA_KIND]].rstrip(b"\0").decode() if _TCA_KIND in at else ""
    options = body[at[_TCA_OPTIONS]] if _TCA_OPTIONS in at else b""
    if parent != _ROOT or kind not in ("netem", "tbf"):
        return None
    return index, _read_netem(options) if kind == "netem" else _read_tbf(options)


def _read_tbf(options: bytes) -> Impairment:
    at = table(options)
    rate = _TBF.unpack_from(options, at[_TBF_PARMS].start)[5]
    return Impairment("", "", rate=rate_text(rate * 8))


def _read_netem(options: bytes) -> Impairment:
    _, _, loss, _, duplicate, _ = _NETEM.unpack_from(options)
    rest = options[_NETEM.size :]
    at = table(rest)

    def number(name: int, form: Struct) -> int:
        return int(form.unpack_from(rest, at[name].start)[0]) if name in at else 0

    rate = number(_RATE64, _WIDE) or number(_RATE, _SLOW)
    times = [number(name, _SIGNED) // 1000 for name in (_LATENCY64, _JITTER64)]
    shares = [loss, duplicate, number(_REORDER, _TWO), number(_CORRUPT, _TWO)]
    delay, jitter = (time_text(value) if value else None for value in times)
    lost, doubled, shuffled, spoilt = (share_text(value) if value else None for value in shares)
    return Impairment("", "", delay, jitter, lost, doubled, shuffled, spoilt, rate_text(rate * 8) if rate else None)
