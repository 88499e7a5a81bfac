"""Rules written through nftables' library and read back: what comes back is what was asked for, whatever it is."""

from __future__ import annotations

import json
import random
import socket
import subprocess
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.generation import generation
from netlab.facts import Chain, Rule
from netlab.kernel.nft_asked import DORMANT, rule_versions, table_flags
from netlab.kernel.nftables import change_chains, delete_table, read_chains, read_every_chain
from netlab.plan import Action, Step
from netlab.topology.ports import joined
from tests.kernel.made_up_machine import on_made_up_machine

pytestmark = pytest.mark.kernel

HOOKS = {"forward": ("filter", 0), "input": ("filter", 0), "prerouting": ("nat", -100), "postrouting": ("nat", 100)}


def some_rule(rng: random.Random, hook: str) -> Rule:
    """Make a rule of any form that the language leads to."""
    six = rng.random() < 0.3
    addresses = ["10.0.0.1", "10.0.0.0/24", "172.16.0.0/12", "192.0.2.0/31", "0.0.0.0/0"]
    addresses = ["fd00::1", "fd00:1::/64", "::/0"] if six else addresses
    protocol = rng.choice([None, None, "tcp", "udp", "ipv6-icmp" if six else "icmp"])
    ports = joined(
        (low, low + rng.choice([0, 0, 1, 10])) for low in rng.sample(range(1, 60000), rng.choice([0, 1, 1, 3]))
    )
    fields = {
        "iif": rng.choice([None, "eth0", "!lo"]) if hook != "postrouting" else None,
        "oif": rng.choice([None, "br0", "!lo"]) if hook in ("forward", "postrouting") else None,
        "source": rng.choice([None, *addresses]),
        "destination": rng.choice([None, *addresses]),
        "local": rng.random() < 0.2 and hook == "prerouting",
        "translated": rng.random() < 0.2 and hook != "prerouting",
        "states": rng.choice([(), ("established", "related"), ("new",)]) if hook in ("forward", "input") else (),
        "protocol": protocol,
        "ports": ports if protocol in ("tcp", "udp") else (),
    }
    if hook == "prerouting":
        fields["protocol"], fields["ports"] = "tcp", joined([(8080, 8080)])
        to = "fd00::9" if six else "10.0.0.9"
        return Rule("dnat", to=to, to_ports=rng.choice([None, (80, 80)]), **fields)  # type: ignore[arg-type]
    if hook == "postrouting":
        outward = "fd00::8" if six else "192.168.0.8"
        verdict, source = rng.choice([("masquerade", None), ("snat", outward)])
        return Rule(verdict, to=source, **fields)  # type: ignore[arg-type]
    return Rule(rng.choice(["accept", "drop", "reject"]), **fields)  # type: ignore[arg-type]


def chain(hook: str, rules: list[Rule], policy: str = "accept") -> Chain:
    kind, priority = HOOKS[hook]
    return Chain("host", hook, kind, hook, priority, policy, tuple(rules))


def test_what_is_written_is_read_back() -> None:
    def body() -> None:
        rng = random.Random(5)
        want = [chain(hook, [some_rule(rng, hook) for _ in range(60)]) for hook in HOOKS]
        change_chains("rules", [Step(Action.CREATE, one) for one in want])
        assert read_chains("rules", "host") == want
        assert delete_table("rules")
        assert not delete_table("rules")
        assert read_chains("rules", "host") == []

    on_made_up_machine(body)


def test_any_list_of_rules_becomes_any_other() -> None:
    def body() -> None:
        rng = random.Random(6)
        pool = [some_rule(rng, "forward") for _ in range(12)]
        have: Chain | None = None
        for _ in range(60):
            want = chain("forward", rng.choices(pool, k=rng.randrange(8)), rng.choice(["accept", "drop"]))
            change_chains("rules", [Step(Action.UPDATE if have else Action.CREATE, want, have)])
            assert read_chains("rules", "host") == [want]
            have = want

    on_made_up_machine(body)


def test_the_words_that_a_person_would_type_mean_the_same() -> None:
    def body() -> None:
        rng = random.Random(7)
        want = [chain(hook, [some_rule(rng, hook) for _ in range(30)]) for hook in HOOKS]
        lines = ["add table inet netlab-typed"]
        for one in want:
            hook = f"type {one.kind} hook {one.hook} priority {one.priority}; policy {one.policy};"
            lines.append(f"add chain inet netlab-typed {one.name} {{ {hook} }}")
            lines += [f"add rule inet netlab-typed {one.name} {rule}" for rule in one.rules]
        subprocess.run(["nft", "-f", "-"], input="\n".join(lines), text=True, check=True, timeout=20)
        assert read_chains("typed", "host") == want

    on_made_up_machine(body)


def test_somebody_else_s_rule_keeps_its_own_words() -> None:
    def body() -> None:
        change_chains("rules", [Step(Action.CREATE, chain("input", [Rule("accept", iif="lo")]))])
        for words in (
            "tcp flags syn limit rate 5/second accept",
            "meta mark 7 counter drop",
            "ip saddr { 10.0.0.1 } log",
        ):
            subprocess.run(["nft", f"add rule inet netlab-rules input {words}"], check=True, timeout=20)
        (found,) = read_chains("rules", "host")
        assert [rule.other is not None for rule in found.rules] == [False, True, True, True]
        assert len(set(found.rules)) == 4

    on_made_up_machine(body)


def test_rules_that_stay_go_on_counting_while_others_change() -> None:
    def body() -> None:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True, timeout=20)
        change_chains("rules", [Step(Action.CREATE, chain("input", [drop_from(number) for number in range(200)]))])
        words = "insert rule inet netlab-rules input iif lo udp dport 9 counter"
        subprocess.run(["nft", *words.split()], check=True, timeout=20)
        (have,) = read_chains("rules", "host")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(3):
                sender.sendto(b"", ("127.0.0.1", 9))
        counter, *others = listed()
        assert counter["expr"][-1]["counter"]["packets"] == 3

        edited = list(have.rules)
        edited[100] = drop_from(1000)
        before = generation()
        change_chains("rules", [Step(Action.UPDATE, replace(have, rules=tuple(edited)), have)])
        assert generation() == before + 1
        assert read_chains("rules", "host") == [replace(have, rules=tuple(edited))]
        counter_now, *others_now = listed()
        assert counter_now == counter, "nothing of it has been made anew"
        assert [i for i in range(200) if others_now[i] != others[i]] == [99]

    on_made_up_machine(body)


def drop_from(number: int) -> Rule:
    return Rule("drop", source=f"10.{number >> 8}.{number & 255}.0/24")


def listed() -> list[dict[str, Any]]:
    """Give the rules of the table as nft tells them, each with its handle and its counters."""
    command = ["nft", "-j", "list", "table", "inet", "netlab-rules"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
    return [one["rule"] for one in json.loads(answer)["nftables"] if "rule" in one]


def test_the_version_of_rules_is_known_where_nft_does_not_tell_it() -> None:
    rules = (
        "meta nfproto ipv6 meta l4proto tcp reject with tcp reset",
        "meta protocol ip tcp dport 80 reject with tcp reset",
        "meta nfproto != ipv6 meta l4proto tcp reject with tcp reset",
        "meta l4proto tcp reject with tcp reset",
        "ip6 saddr fd00::1 accept",
    )

    def body() -> None:
        chains = "".join(f"{rule}\n" for rule in rules)
        made = f"table inet a {{\nchain c {{\ntype filter hook input priority 0;\n{chains}}}\n}}\n"
        subprocess.run(["nft", "-f", "-"], input=made, text=True, check=True)
        assert rule_versions() == {("inet", "a", 2): 6, ("inet", "a", 3): 4, ("inet", "a", 6): 6}

    on_made_up_machine(body)


def test_tables_that_sleep_are_known_without_asking_nfts_library_for_them() -> None:
    """It aborts the process sooner or later where it tells of a table's flags in JSON (1.0.6)."""

    def body() -> None:
        made = "table ip a { flags dormant; chain c { type filter hook input priority 0; drop; }; }; table inet b { }"
        assert table_flags() == {}
        subprocess.run(["nft", made], check=True)
        assert table_flags() == {("ip", "a"): DORMANT, ("inet", "b"): 0}
        want = chain("forward", [Rule("drop")])
        change_chains("rules", [Step(Action.CREATE, want)])
        assert [one.name for one in read_every_chain("rules", "host")] == ["forward"]
        subprocess.run(["nft", "add table inet netlab-rules { flags dormant; }"], check=True)
        for _ in range(50):
            assert read_chains("rules", "host") == read_every_chain("rules", "host") == []
        change_chains("rules", [Step(Action.CREATE, want)])
        assert read_chains("rules", "host") == [want]

    on_made_up_machine(body)
