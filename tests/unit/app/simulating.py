"""One way to simulate checks, and a lab with something of everything to check."""

from __future__ import annotations

from netlab.app.comparing import Simulated
from netlab.app.simulated_checks import simulate_checks
from netlab.topology import read

#: A client, a router that forwards, a server behind it, and a node that does not forward.
LAB = """
name: check
netns:
  a:
    interfaces:
      eth0: {peer: "r:eth0", addresses: [10.1.0.2/24, "fd00:1::2/64"] IMPAIR}
      dark: {peer: "d:dark", address: 10.9.0.1/24, up: false}
    gateway: [10.1.0.1, "fd00:1::1"]
    routes:
      - {to: 192.0.2.0/28, unreachable: true}
      - {to: 192.0.2.16/28, prohibit: true}
      - {to: 192.0.2.32/28, blackhole: true}
    firewall: {output: {drop: [{to: 10.2.0.2, tcp: 7}, {to: 10.2.0.2, udp: 7}], reject: [{to: 10.2.0.2, tcp: 8}]}}
  r:
    forwarding: true
    interfaces:
      eth0: {addresses: [10.1.0.1/24, "fd00:1::1/64"]}
      eth1: {peer: "b:eth0", addresses: [10.2.0.1/24, "fd00:2::1/64"], mtu: 1300}
    routes:
      - {to: 198.51.100.0/28, unreachable: true}
      - {to: 198.51.100.16/28, prohibit: true}
      - {to: 198.51.100.32/28, blackhole: true}
      - {to: 10.5.0.0/24, via: 10.1.0.2}
    firewall: {forward: {drop: [{to: 10.2.0.2, tcp: 9}], reject: [{to: 10.2.0.2, tcp: 10}, {to: 10.2.0.2, udp: 10}]}}
  b:
    interfaces: {eth0: {addresses: [10.2.0.2/24, "fd00:2::2/64"], mtu: 1300}}
    gateway: [10.2.0.1, "fd00:2::1"]
  d: {interfaces: {dark: {address: 10.9.0.2/24}}}
checks:
"""


def run(*checks: str, impair: str = "", lab: str = LAB) -> tuple[Simulated, ...]:
    """Simulate checks in the lab."""
    text = lab.replace(" IMPAIR", f", impair: {{{impair}}}" if impair else "")
    found = read(text + "\n".join(f"  - {check}" for check in checks) + "\n", "lab.yml")
    return simulate_checks(found.checks, found.facts, found.origin)


def one(check: str, impair: str = "", lab: str = LAB) -> Simulated:
    (found,) = run(check, impair=impair, lab=lab)
    return found
