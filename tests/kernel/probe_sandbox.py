"""A sandbox of four nodes and two address families, and the program inside it that runs checks and captures.

    a --- r1 --- r2 --- b        a 10.0.1.1, r1 10.0.1.254 and 10.0.12.1, r2 10.0.12.2 and 10.0.2.254, b 10.0.2.1

IPv6 has the same numbers in fd00::/16. r1 has a blackhole, a prohibit and no default route; r1 and r2 send 192.0.2.0/24
to each other. Run by `unshare`, this file takes JSON orders on stdin and answers on stdout.
"""

from __future__ import annotations

import io
import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from netlab.errors import Span, Unavailable
from netlab.namespaces.syscalls import CLONE_NEWNET, setns
from netlab.probe import Event, Verdict, capture, run_checks
from netlab.probe.server import check_of
from netlab.topology.lab import Check

ROOT = Path(__file__).resolve().parents[2]

NETWORK = """
mount --make-rprivate /
mount -t tmpfs t /run
ip link set lo up
for node in a r1 r2 b; do
    ip netns add $node
    ip -n $node link set lo up
    # Tests ask one router for errors as fast as they can.
    ip netns exec $node sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
    ip netns exec $node sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
done
cable() {  # node device address4 address6, twice
    ip link add $2 netns $1 type veth peer name $6 netns $5
    ip -n $1 addr add $3/24 dev $2; ip -n $1 addr add $4/64 dev $2 nodad
    ip -n $5 addr add $7/24 dev $6; ip -n $5 addr add $8/64 dev $6 nodad
    ip -n $1 link set $2 up; ip -n $5 link set $6 up
}
cable a eth0 10.0.1.1 fd00:1::1 r1 eth0 10.0.1.254 fd00:1::fe
cable r1 eth1 10.0.12.1 fd00:12::1 r2 eth0 10.0.12.2 fd00:12::2
cable r2 eth1 10.0.2.254 fd00:2::fe b eth0 10.0.2.1 fd00:2::1
for node in r1 r2; do
    ip netns exec $node sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
done
ip -n a route add default via 10.0.1.254; ip -n a route add default via fd00:1::fe
ip -n b route add default via 10.0.2.254; ip -n b route add default via fd00:2::fe
ip -n r1 route add 10.0.2.0/24 via 10.0.12.2; ip -n r1 route add fd00:2::/64 via fd00:12::2
ip -n r2 route add 10.0.1.0/24 via 10.0.12.1; ip -n r2 route add fd00:1::/64 via fd00:12::1
ip -n r1 route add blackhole 203.0.113.0/24; ip -n r1 route add blackhole 2001:db8:b::/48
ip -n r1 route add prohibit 198.18.0.0/24; ip -n r1 route add prohibit 2001:db8:c::/48
ip -n r1 route add 192.0.2.0/24 via 10.0.12.2; ip -n r1 route add 2001:db8:d::/48 via fd00:12::2
ip -n r2 route add 192.0.2.0/24 via 10.0.12.1; ip -n r2 route add 2001:db8:d::/48 via fd00:12::1
# Who has no link-local address yet asks for no neighbour: the six devices have one before anything is sent.
certain() { for node in a r1 r2 b; do ip -n $node -o -6 addr show scope link -tentative; done | grep -c eth; }
for try in $(seq 200); do [ "$(certain)" = 6 ] && exit; sleep 0.05; done
echo "the devices got no link-local addresses" >&2; exit 1
"""

#: The same places in both families.
PLACES = {
    "a": ("10.0.1.1", "fd00:1::1"),
    "r1": ("10.0.1.254", "fd00:1::fe"),
    "r2": ("10.0.12.2", "fd00:12::2"),
    "b": ("10.0.2.1", "fd00:2::1"),
    "absent": ("10.0.2.77", "fd00:2::77"),
    "neighbour": ("10.0.1.77", "fd00:1::77"),
    "nowhere": ("198.51.100.1", "2001:db8:a::1"),
    "blackhole": ("203.0.113.1", "2001:db8:b::1"),
    "prohibited": ("198.18.0.1", "2001:db8:c::1"),
    "loop": ("192.0.2.1", "2001:db8:d::1"),
}
OF_NODE = {
    "a": ("10.0.1.1", "fd00:1::1"),
    "r1": ("10.0.1.254", "10.0.12.1", "fd00:1::fe", "fd00:12::1"),
    "r2": ("10.0.12.2", "10.0.2.254", "fd00:12::2", "fd00:2::fe"),
}


def check(kind: str, source: str, target: str, family: int = 0, **more: Any) -> Check:
    """Make the check that a file would give for a place of the network."""
    node = target if target in ("a", "r1", "r2", "b") else None
    by = more.get("by")
    return Check(
        kind=kind,  # type: ignore[arg-type]
        name=f"{kind} {source} -> {target}",
        source=source,
        target=target,
        address=PLACES[target][family],
        target_node=node,
        span=Span("lab.yml", 1, 1),
        by_addresses=OF_NODE[by] if by else (),
        **more,
    )


class Sandbox:
    """The process inside: orders go in, answers come out."""

    def __init__(self, *flags: str) -> None:
        self.process = subprocess.Popen(
            ["unshare", *flags, sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self.sh(NETWORK)

    def order(self, **values: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(values).encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the sandbox has died"
        answer = json.loads(line)
        assert "fault" not in answer, answer["fault"]
        return answer["result"]

    def sh(self, script: str) -> str:
        """Run a script inside; it must succeed."""
        return str(self.order(do="sh", script=script))

    def run(self, *checks: Check, **more: Any) -> list[dict[str, Any]]:
        """Run checks inside; `when_seen` is an order to carry out when b's eth0 sees a packet of that IP protocol."""
        found: list[dict[str, Any]] = self.order(do="run", checks=[asdict(one) for one in checks], **more)
        return found

    def one(self, what: Check, **more: Any) -> dict[str, Any]:
        """Run one check inside, and see that nobody listens afterwards."""
        verdict = self.run(what, **more)[0]
        assert self.listeners() == ""
        return verdict

    def listeners(self) -> str:
        return self.sh("for node in a r1 r2 b; do ip netns exec $node ss -Hlntu; done; ss -Hlntu")

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(timeout=10) == 0


def held(verdict: Mapping[str, Any]) -> bool:
    assert verdict["ok"], verdict
    return True


def packets_of(pcap: bytes) -> tuple[int, list[bytes]]:
    """Read a pcap: its link type and its packets."""
    magic, *_rest, link_type = struct.unpack_from("<IHHiIII", pcap)
    assert magic == 0xA1B23C4D
    at, found = 24, []
    while at < len(pcap):
        _seconds, _nanoseconds, kept, length = struct.unpack_from("<IIII", pcap, at)
        assert kept == length
        found.append(pcap[at + 16 : at + 16 + kept])
        at += 16 + kept
    return link_type, found


# The program inside the sandbox


class Inside:
    """Carries out orders."""

    def __init__(self) -> None:
        self.held: list[socket.socket] = []

    def nodes(self) -> dict[str, int]:
        found = {"host": os.open("/proc/self/ns/net", os.O_RDONLY), "no namespace": os.open("/dev/null", os.O_RDONLY)}
        for name in sorted(os.listdir("/run/netns")):
            found[name] = os.open(f"/run/netns/{name}", os.O_RDONLY)
        return found

    def carry_out(self, order: Mapping[str, Any]) -> Any:
        do = order["do"]
        if do == "sh":
            return self.sh(order["script"])
        if do == "listen":
            return self.listen(order)
        if do == "hang up":
            for one in reversed(self.held):
                one.close()
            return self.held.clear()
        nodes = self.nodes()
        try:
            if do == "run":
                return self.run(order, nodes)
            if do == "capture":
                return self.capture(order, nodes)
            assert do == "kill while listening"
            return self.kill_while_listening(order, nodes)
        finally:
            for fd in nodes.values():
                os.close(fd)

    def sh(self, script: str) -> str:
        done = subprocess.run(
            ["sh", "-ec", script], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, f"{script}\n{done.stderr}"
        return done.stdout

    def watched(self, order: Mapping[str, Any], nodes: Mapping[str, int], work: Callable[[], None]) -> None:
        """Do the work, and meanwhile what `when_seen` says."""
        if "when_seen" not in order:
            return work()
        protocol, then = order["when_seen"]
        ready, (stop, stopper) = threading.Event(), socket.socketpair()
        seen = Seen(protocol, lambda: self.carry_out(then))
        with ThreadPoolExecutor(1) as pool, stop, stopper:
            watch = pool.submit(capture, nodes["b"], "eth0", seen, timeout=60, stop=stop.fileno(), on_ready=ready.set)
            assert ready.wait(10)
            work()
            stopper.send(b".")
            watch.result()
        return None

    def listen(self, order: Mapping[str, Any]) -> None:
        """Open a listener inside a node, as a program of the user would; a UDP one echoes."""

        def opened() -> socket.socket:
            fd = os.open(f"/run/netns/{order['node']}", os.O_RDONLY)
            setns(fd, CLONE_NEWNET)
            os.close(fd)
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if order.get("udp") else socket.SOCK_STREAM)
            made.bind((order["address"], order["port"]))
            if not order.get("udp"):
                made.listen()
            return made

        with ThreadPoolExecutor(1) as inside:
            made = inside.submit(opened).result()
        self.held.append(made)
        if order.get("udp"):
            ours, theirs = socket.socketpair()
            self.held.append(ours)
            threading.Thread(target=echo, args=(made, theirs), daemon=True).start()

    def run(self, order: Mapping[str, Any], nodes: Mapping[str, int]) -> list[dict[str, Any]]:
        told: list[Verdict] = []

        def work() -> None:
            verdicts = run_checks(
                [check_of(one) for one in order["checks"]],
                nodes,
                on_verdict=told.append,
                programs=frozenset(order.get("programs", ())),
                machine=order.get("machine", False),
            )
            assert tuple(told) == verdicts

        self.watched(order, nodes, work)
        return [encoded(verdict) for verdict in told]

    def capture(self, order: Mapping[str, Any], nodes: Mapping[str, int]) -> dict[str, Any]:
        written = io.BytesIO()
        stop, stopper = socket.socketpair()
        ok: list[bool] = []

        def ready() -> None:
            self.sh(order.get("ready", ""))
            if "check" in order:
                ok.append(run_checks([check_of(order["check"])], nodes)[0].ok)
                stopper.send(b".")

        with stop, stopper:
            try:
                begun = clock()
                found = capture(
                    nodes[order["node"]],
                    order["device"],
                    written,
                    count=order.get("count"),
                    timeout=order.get("timeout"),
                    stop=stop.fileno(),
                    on_ready=ready,
                )
            except Unavailable as error:
                return {"refused": str(error)}
        return {
            "ok": all(ok),
            "packets": found.packets,
            "dropped": found.dropped,
            "pcap": written.getvalue().hex(),
            "seconds": clock() - begun,
        }

    def kill_while_listening(self, order: Mapping[str, Any], nodes: Mapping[str, int]) -> str:
        """Kill a process that runs a check, once its listener is there; wait until all of its processes are gone."""
        # The packets of the probe are the sign that it has begun.
        seen, watcher = io.BytesIO(), ThreadPoolExecutor(1)
        begun: list[int] = []

        def begin() -> None:
            pid = os.fork()
            if pid == 0:
                run_checks([check_of(order["check"])], nodes)
                os._exit(0)
            begun.append(pid)

        watcher.submit(capture, nodes["b"], "eth0", seen, count=4, timeout=20, on_ready=begin).result()
        watcher.shutdown()
        listening = self.sh("ip netns exec b ss -Hlnt")
        family = descendants(begun[0])
        watches = [os.pidfd_open(pid) for pid in family]
        os.kill(begun[0], signal.SIGKILL)
        os.waitpid(begun[0], 0)
        with selectors.DefaultSelector() as selector:
            for watch in watches:
                selector.register(watch, selectors.EVENT_READ)
            while selector.get_map():
                ended = selector.select(10)
                assert ended, "a probe outlives the process that asked for it"
                for key, _ready in ended:
                    selector.unregister(key.fileobj)
        for watch in watches:
            os.close(watch)
        assert len(family) >= 2
        return listening


class Seen(io.BytesIO):
    """Takes a capture, and does something once when a packet of an IP protocol passes."""

    def __init__(self, protocol: int, then: Callable[[], None]) -> None:
        super().__init__()
        self.protocol, self.then, self.done = protocol, then, False

    def write(self, record: Any) -> int:
        frame = bytes(record)[16:]
        if not self.done and frame[12:14] == b"\x08\x00" and frame[23] == self.protocol:
            self.done = True
            self.then()
        return len(record)


def clock() -> float:
    return os.times().elapsed


def echo(served: socket.socket, stop: socket.socket) -> None:
    """Send every datagram back, until the other end of `stop` is closed."""
    with selectors.DefaultSelector() as selector:
        selector.register(served, selectors.EVENT_READ)
        selector.register(stop, selectors.EVENT_READ)
        while stop not in [key.fileobj for key, _ready in selector.select()]:
            data, client = served.recvfrom(65536)
            served.sendto(data, client)
    stop.close()


def descendants(pid: int) -> list[int]:
    """Give the children of a process, and theirs."""
    text = "".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return [one for child in map(int, text.split()) for one in (child, *descendants(child))]


def encoded(verdict: Verdict) -> dict[str, Any]:
    events: tuple[Event, ...] = verdict.observations
    plain = {name: getattr(verdict, name) for name in ("ok", "outcome", "sent", "received", "hint", "elapsed")}
    return {**plain, "name": verdict.check.name, "events": [event.encode() for event in events]}


def main() -> None:
    inside = Inside()
    for line in sys.stdin:
        try:
            answer = {"result": inside.carry_out(json.loads(line))}
        except Exception as error:
            answer = {"fault": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
