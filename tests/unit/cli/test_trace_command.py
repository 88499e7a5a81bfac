"""trace: what it says of a packet, how it exits, its documents, and what is wrong with a command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netlab.app.tracing import Traced
from netlab.app.world import World
from netlab.simulator.verdicts import MEANINGS, Verdict
from netlab.store import Store
from tests.unit.cli.conftest import Run, Stand, document_of
from tests.unit.cli.trace_samples import ANSWERED, PATH, REFUSED, TOO_BIG, traced


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give a file, on a machine where no lab is up."""
    world = World(Store(tmp_path / "store", 1), tmp_path / "logs", privileged=False)
    monkeypatch.setattr(World, "here", classmethod(lambda cls: world))
    monkeypatch.setattr("netlab.app.targets.find_sandboxes", lambda: ())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "path.yml").write_text(PATH)
    return "path.yml"


TOLD = """\
tcp 80 client -> server:eth0 (10.1.0.2) in path

there
  client   sends 10.0.0.2 -> 10.1.0.2 tcp syn 49152 -> 80
           routes 10.1.0.2 by 0.0.0.0/0 via 10.0.0.1 dev eth0, table main  path.yml:5
           eth0 asks who has 10.0.0.1: router:eth0, 76:6e:9d:5f:49:c8      path.yml:4
           sends it out by eth0                                            path.yml:4
  router   comes in by eth0                                                path.yml:4
           routes 10.1.0.2 by 10.1.0.0/24 dev eth1, table main             path.yml:10
           forwards it, TTL 63                                             path.yml:6
           eth1 asks who has 10.1.0.2: server:eth0, 42:be:53:35:61:36      path.yml:10
           sends it out by eth1                                            path.yml:10
           eth1 impairs it: delay 20ms loss 10%                            path.yml:10
  server   comes in by eth0                                                path.yml:10
           10.1.0.2 is its own                                             path.yml:12
         ✗ no-listener: nobody listens at tcp port 80 of server            path.yml:11

server answers client
  server   sends 10.1.0.2 -> 10.0.0.2 tcp rst 80 -> 49152
           routes 10.0.0.2 by 10.0.0.0/24 via 10.1.0.1 dev eth0, table main  path.yml:13
           sends it out by eth0                                              path.yml:10
  router   comes in by eth1                                                  path.yml:10
           routes 10.0.0.2 by 10.0.0.0/24 dev eth0, table main               path.yml:9
           forwards it, TTL 63                                               path.yml:6
           sends it out by eth0                                              path.yml:4
  client   comes in by eth0                                                  path.yml:4
           10.0.0.2 is its own                                               path.yml:4
         ✓ delivered to client

✗ no-listener: nobody listens at tcp port 80 of server
    hears    tcp rst 80 -> 49152, from server
    look at  path.yml:11:3
    fix      run a program that listens there
"""


def test_a_trace_is_told_step_by_step(run: Run, stand: Stand) -> None:
    stand("trace", REFUSED)
    result = run("trace", "path.yml", "client", "server:eth0", "--tcp", "80")
    assert (result.exit_code, result.stdout) == (1, TOLD)


def test_an_answered_packet_is_told_with_what_impairments_make_of_it(run: Run, file: str) -> None:
    result = run("trace", file, "client", "server")
    assert result.exit_code == 0
    assert result.stdout.endswith("\n✓ it is answered, in some 20 ms, 90% of the time\n")


def test_colours_are_for_terminals(run: Run, file: str) -> None:
    told = run("trace", "--color", "always", file, "client", "10.7.7.7").stdout
    assert "\x1b[31mno-route\x1b[0m: router has no route to 10.7.7.7" in told
    assert "\x1b" not in run("trace", file, "client", "10.7.7.7").stdout


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ([], {}),
        (["--icmp"], {}),
        (["--tcp", "443"], {"kind": "tcp", "port": 443}),
        (["--udp", "53", "--live"], {"kind": "udp", "port": 53, "live": True}),
        (["--size", "1400", "--ttl", "3", "--dont-fragment"], {"size": 1400, "ttl": 3, "dont_fragment": True}),
    ],
)
def test_what_is_asked_for(run: Run, stand: Stand, words: list[str], asked: dict[str, Any]) -> None:
    seen: list[Any] = []

    def trace(*arguments: Any, **options: Any) -> Traced:
        seen.append((arguments, options))
        return ANSWERED

    stand("trace", trace)
    default = {"kind": "icmp", "port": 0, "size": None, "ttl": None, "dont_fragment": False, "live": False}
    assert run("trace", "lab", "a", "b:eth0", *words).exit_code == 0
    assert run("trace", "a", "b:eth0", *words).exit_code == 0
    assert seen == [(("lab", "a", "b:eth0"), default | asked), ((None, "a", "b:eth0"), default | asked)]


def test_the_document_has_each_leg_and_step_with_its_fact_and_line(run: Run, stand: Stand) -> None:
    stand("trace", TOO_BIG)
    result = run("trace", "path.yml", "client", "server", "--size", "1500", "--dont-fragment", "--json")
    document = document_of(result)
    found = document["result"]
    assert (result.exit_code, document["kind"], document["lab"], document["problems"]) == (1, "trace", "path", [])
    assert {name: found[name] for name in ("from", "to", "address", "kind", "port", "answer", "verdict")} == {
        "from": "client",
        "to": "server",
        "address": "10.1.0.2",
        "kind": "icmp",
        "port": None,
        "answer": "error",
        "verdict": "too-big",
    }
    assert found["mend"] == MEANINGS[Verdict.TOO_BIG].mend
    assert found["origin"] == {"file": "path.yml", "line": 10, "column": 7}
    there, told = found["legs"]
    assert (there["answers"], told["answers"]) == (None, 0)
    assert told["packet"]["icmp"] == {"type": 3, "code": 4, "mtu": 1400}
    assert there["packet"]["icmp"] is None
    assert [step["what"] for step in there["steps"]] == ["sent", "route", "asked", "leaves", "arrives", "route"]
    assert there["steps"][1] == {
        "what": "route",
        "node": "client",
        "device": "eth0",
        "words": "routes 10.1.0.2 by 0.0.0.0/0 via 10.0.0.1 dev eth0, table main",
        "fact": ["route", "client", "0.0.0.0/0", "254", "0"],
        "origin": {"file": "path.yml", "line": 5, "column": 14},
    }
    assert (there["node_of_end"], there["device_of_end"], there["verdict"]) == ("router", "eth1", "too-big")


def test_delay_and_share_are_seconds_and_a_share(run: Run, file: str) -> None:
    found = document_of(run("trace", file, "client", "server", "--json"))["result"]
    assert (found["delay"], found["share"]) == (0.02, 0.9)
    assert found["mend"] is None


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["path.yml"], "name a source and a destination\n  fix: netlab trace [LAB|FILE] SRC DST"),
        (["path.yml", "client"], "name a source and a destination\n  fix: netlab trace [LAB|FILE] SRC DST"),
        (["path.yml", "client", "server", "router"], "name a source and a destination"),
        ([], "Missing argument '[LAB|FILE] SRC DST'"),
        (["path.yml", "clint", "server"], "path has no node 'clint'\n  fix: write client"),
        (["path.yml", "x", "server"], "path has no node 'x'\n  fix: nodes: host, client, router, server, mute"),
        (["path.yml", "client", "sever"], "path has no node 'sever', and it is no address\n  fix: write server"),
        (
            ["path.yml", "client", "10.0.0.2/24"],
            "and it is no address\n  fix: write 10.0.0.2",
        ),
        (
            ["path.yml", "client", "fd00::2", "--size", "47"],
            "the headers alone have 48\n  fix: --size 48 or more",
        ),
        (["path.yml", "client", "server", "--size", "39", "--tcp", "80"], "39 bytes: the headers alone have 40"),
        (["path.yml", "client", "10.0.0.256"], "path has no node '10.0.0.256', and it is no address"),
        (["path.yml", "client", "mute"], "mute has no address\n  fix: give it one, or name the address that is meant"),
        (["path.yml", "client", "server:eth7"], "server has no device 'eth7'\n  fix: its devices: eth0"),
        (["none.yml", "client", "server"], "there is no file none.yml"),
        (["path.yml", "client", "server", "--tcp", "80", "--udp", "53"], "--tcp, --udp and --icmp: choose one"),
        (["path.yml", "client", "server", "--tcp", "80", "--icmp"], "--tcp, --udp and --icmp: choose one"),
        (["path.yml", "client", "server", "--tcp", "0"], "0 is not in the range 1<=x<=65535"),
        (["path.yml", "client", "server", "--udp", "65536"], "65536 is not in the range 1<=x<=65535"),
        (["path.yml", "client", "server", "--tcp", "http"], "'http' is not a valid integer range"),
        (["path.yml", "client", "server", "--ttl", "256"], "256 is not in the range 1<=x<=255"),
        (["path.yml", "client", "server", "--size", "27"], "27 is not in the range 28<=x<=65535"),
        (["up", "client", "server"], "no lab 'up' is up"),
        (["--live", "path.yml", "client", "server"], "no lab 'path' is up\n  fix: netlab apply path.yml"),
        (["client", "server"], "no lab is up\n  fix: netlab apply FILE"),
    ],
)
def test_what_is_wrong_with_a_line_is_told_and_nothing_is_followed(
    run: Run, file: str, words: list[str], fault: str
) -> None:
    result = run("trace", *words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert fault in result.stderr
    document = document_of(run("trace", *words, "--json"))
    assert document["kind"] == "trace"
    assert document["result"] is None
    assert fault.partition("\n")[0] in document["problems"][0]["what"]


def test_a_wrong_file_is_told_as_validate_tells_it(run: Run, file: str) -> None:
    Path(file).write_text("name: x\nbridgs: {}\n")
    result = run("trace", file, "a", "b")
    assert result.exit_code == 2
    assert result.stderr == run("validate", file).stderr
    assert "unknown key 'bridgs'" in result.stderr


def test_an_address_that_nobody_has_is_a_packet_like_any_other(run: Run, file: str) -> None:
    result = run("trace", file, "client", "10.1.0.99")
    assert result.exit_code == 1
    assert "✗ no-neighbour: nobody on router:eth1 says that it has 10.1.0.99; no node has that address" in result.stdout
    assert "    hears    icmp host unreachable, from router\n" in result.stdout


def test_what_the_senders_own_kernel_says_is_told(run: Run, file: str) -> None:
    result = run("trace", file, "mute", "10.0.0.1")
    assert result.exit_code == 1
    assert "    hears    network is unreachable, at once\n" in result.stdout


def test_an_answer_that_is_lost_decides(run: Run, file: str) -> None:
    Path(file).write_text(PATH.replace("{to: 10.0.0.0/24,", "{to: 10.8.0.0/24,"))
    for words in ((), ("--tcp", "80")):
        result = run("trace", file, "client", "server", *words)
        assert result.exit_code == 1
        assert result.stdout.endswith(
            "✗ no-route: on the way back: server has no route to 10.0.0.2\n"
            "    hears    nothing\n"
            "    look at  path.yml:11:3\n"
            "    fix      give the node a gateway, or a route to the destination\n"
        )


def test_what_is_live_says_so(run: Run, stand: Stand) -> None:
    stand("trace", traced("client", "10.0.0.1", live=True))
    assert run("trace", "client", "10.0.0.1").stdout.startswith(
        "ping client -> 10.0.0.1 in path, as it is in the kernel\n"
    )
