"""nftables by its own library, libnftables(3), in JSON: one table for each namespace and lab, changed in transactions.

The table is netlab's by its name, `inet netlab-LAB`. Nothing else is touched.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import cache
from typing import Final

from netlab.errors import Unavailable
from netlab.facts import Chain, Rule
from netlab.facts.other_rules import OtherRule
from netlab.kernel.nft_asked import DORMANT, rule_versions, table_flags
from netlab.kernel.other_rules import other_chains, resets
from netlab.kernel.rules import Json, expression, rule_of
from netlab.names import table_name
from netlab.plan.steps import Action, Step

_FAMILY: Final = "inet"
#: NFT_CTX_OUTPUT_JSON, NFT_CTX_OUTPUT_HANDLE and NFT_CTX_OUTPUT_STATELESS of nftables/libnftables.h.
_JSON, _HANDLE, _STATELESS = 1 << 4, 1 << 3, 1 << 2


@cache
def load_library() -> ctypes.CDLL:
    """Load the library once; raises Unavailable where it is not installed."""
    try:
        library = ctypes.CDLL("libnftables.so.1")
    except OSError as error:
        raise Unavailable("nat and firewall need libnftables", "sudo apt-get install nftables") from error
    library.nft_ctx_new.restype = ctypes.c_void_p
    library.nft_ctx_new.argtypes = [ctypes.c_uint32]
    library.nft_ctx_free.argtypes = [ctypes.c_void_p]
    library.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
    for name in ("nft_ctx_buffer_output", "nft_ctx_buffer_error"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
    for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
        getattr(library, name).restype = ctypes.c_char_p
    library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    return library


def has_library() -> bool:
    """Tell whether the library is installed."""
    try:
        load_library()
    except Unavailable:
        return False
    return True


def _run(commands: Sequence[Json]) -> tuple[int, str, str]:
    return _run_text(json.dumps({"nftables": list(commands)}), _JSON | _HANDLE)


def _run_text(commands: str, form: int) -> tuple[int, str, str]:
    """Run commands in the calling thread's namespace; give the code, the answer and what the library complains of."""
    library = load_library()
    context = library.nft_ctx_new(0)
    if not context:
        raise OSError(errno.ENOMEM, "libnftables does not start")
    try:
        library.nft_ctx_output_set_flags(context, form)
        library.nft_ctx_buffer_output(context)
        library.nft_ctx_buffer_error(context)
        code = library.nft_run_cmd_from_buffer(context, commands.encode())
        answer, complaint = library.nft_ctx_get_output_buffer(context), library.nft_ctx_get_error_buffer(context)
        return code, (answer or b"").decode(), (complaint or b"").decode()
    finally:
        library.nft_ctx_free(context)


#: Chains by name, each with its rules and their handles.
_Listed = dict[str, tuple[Json, list[tuple[int, Rule]]]]


def _listed(lab: str) -> _Listed | None:
    """Give the chains of the lab's table; None of a table with flags, which is not read: what sleeps is not there."""
    if table_flags().get((_FAMILY, table_name(lab))):
        return None
    code, answer, complaint = _run([{"list": {"table": {"family": _FAMILY, "name": table_name(lab)}}}])
    if code:
        if "No such file" in complaint:
            return {}
        raise OSError(errno.EINVAL, complaint.strip() or "nftables cannot be read")
    found: _Listed = {}
    for one in json.loads(answer or '{"nftables": []}')["nftables"]:
        if "chain" in one:
            found[one["chain"]["name"]] = one["chain"], []
        elif "rule" in one:
            found[one["rule"]["chain"]][1].append((one["rule"]["handle"], rule_of(one["rule"]["expr"])))
    return found


def read_chains(lab: str, node: str) -> list[Chain]:
    """Read the lab's chains in the calling thread's namespace; none of a table that is told to sleep (dormant)."""
    return [
        Chain(
            node,
            name,
            str(chain.get("type", "")),
            str(chain.get("hook", "")),
            int(chain.get("prio", 0)),
            str(chain.get("policy", "accept")),
            tuple(rule for _, rule in rules),
        )
        for name, (chain, rules) in (_listed(lab) or {}).items()
    ]


def read_every_chain(lab: str, node: str) -> list[Chain]:
    """Read everybody's base chains, the lab's among them, in the calling thread's namespace."""
    flags = table_flags()
    plain = [table for table, told in flags.items() if not told]
    asked = [{"ruleset": None}] if len(plain) == len(flags) else [
        {"table": {"family": family, "name": name}} for family, name in plain
    ]  # fmt: skip
    told: list[Json] = []
    for one in asked:
        code, answer, complaint = _run([{"list": one}])
        if code:
            raise OSError(errno.EINVAL, complaint.strip() or "nftables cannot be read")
        told += json.loads(answer or '{"nftables": []}')["nftables"]
    _, text, _ = _run_text("list ruleset", _HANDLE | _STATELESS)
    owned = [table for table, told_of in flags.items() if told_of and not told_of & DORMANT]
    versions = rule_versions() if any(map(resets, told)) else {}
    return [*other_chains(node, told, text, table_name(lab), versions), *(_unread(node, *table) for table in owned)]


def _unread(node: str, family: str, name: str) -> Chain:
    """Stand for a table that only the program that owns it may change, and that nft's library cannot tell of."""
    words = "a table that a program owns"
    return Chain(node, f"{family} {name}", "filter", "owned", 0, rules=(OtherRule("other", other=words, words=words),))


def change_chains(lab: str, steps: Sequence[Step]) -> None:
    """Do steps of one node, in the calling thread's namespace, in one transaction; raises OSError.

    Rules that stay are not touched: their counters go on.
    """
    here = {"family": _FAMILY, "table": table_name(lab)}
    commands: list[Json] = [{"add": {"table": {"family": _FAMILY, "name": table_name(lab)}}}]
    known = _listed(lab)
    if known is None:
        known = {}
        commands.insert(0, {"delete": {"table": {"family": _FAMILY, "name": table_name(lab)}}})
    left = set(known)
    for step in steps:
        chain = step.fact
        assert isinstance(chain, Chain)
        place = {**here, "name": chain.name}
        if step.action is Action.DELETE:
            if chain.name in known:
                commands += [{"flush": {"chain": place}}, {"delete": {"chain": place}}]
                known.pop(chain.name)
            left.discard(chain.name)
            continue
        left.add(chain.name)
        hook = {"type": chain.kind, "hook": chain.hook, "prio": chain.priority, "policy": chain.policy}
        commands.append({"add": {"chain": {**place, **hook}}})
        commands += _changed({**here, "chain": chain.name}, known.get(chain.name, ({}, []))[1], chain.rules)
    if not left:
        commands.append({"delete": {"table": {"family": _FAMILY, "name": table_name(lab)}}})
    code, _, complaint = _run(commands)
    if code:
        raise OSError(_number_in(complaint), complaint.strip().splitlines()[0] if complaint.strip() else "refused")


def _changed(place: Json, have: Sequence[tuple[int, Rule]], want: Sequence[Rule]) -> list[Json]:
    """Give the commands that turn one list of rules into another."""
    commands: list[Json] = []
    matcher = SequenceMatcher(None, [rule for _, rule in have], want, autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            continue
        new = [{**place, "expr": expression(rule)} for rule in want[c:d]]
        if a == len(have):
            commands += [{"add": {"rule": rule}} for rule in new]
        else:
            # Before the first rule that stays, or that is about to go.
            commands += [{"insert": {"rule": {**rule, "handle": have[a][0]}}} for rule in new]
        commands += [{"delete": {"rule": {**place, "handle": handle}}} for handle, _ in have[a:b]]
    return commands


def _number_in(complaint: str) -> int:
    """Give the errno that a complaint ends with, by its words."""
    for number in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOENT, errno.EEXIST, errno.EBUSY):
        if os.strerror(number) in complaint:
            return number
    return errno.EINVAL


def delete_table(lab: str) -> bool:
    """Delete the lab's table in the calling thread's namespace; tell whether there was one."""
    code, _, complaint = _run([{"delete": {"table": {"family": _FAMILY, "name": table_name(lab)}}}])
    if code and "No such file" not in complaint:
        raise OSError(_number_in(complaint), complaint.strip())
    return not code
