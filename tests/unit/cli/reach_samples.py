"""Two small labs and who reaches whom in them, for the tests of `reach`."""

from __future__ import annotations

from netlab.app.reaching import Against, Reached
from netlab.simulator.compiling import network_of
from netlab.simulator.reach import Reach, reach
from netlab.simulator.views import changes_between, views_of
from netlab.topology import read
from netlab.topology.lab import Lab

OFFICE = """
name: office
host: {forwarding: true}
bridges: {lan: 10.0.1.0/24, dmz: 10.0.2.0/24}
netns:
  pc{1..3}: lan
  web: dmz
  db: {interfaces: {eth0: {bridge: dmz}}}
  old: lan
"""
#: The database gets its gateway, the host a filter, and one node goes while another comes.
CHANGED = """
name: office
host: {forwarding: true, firewall: {forward: {policy: drop, accept: [{established: true}, {in: lan}]}}}
bridges: {lan: 10.0.1.0/24, dmz: 10.0.2.0/24}
netns:
  pc{1..3}: lan
  web: dmz
  db: dmz
  new: {}
"""


def lab_of(text: str, file: str) -> Lab:
    return read(text.strip().encode(), file, sandboxed=True)


def reach_of(lab: Lab) -> Reach:
    return reach(network_of(lab.facts))


_OLD, _NEW = lab_of(OFFICE, "office.yml"), lab_of(CHANGED, "new.yml")
_WAS, _IS = reach_of(_OLD), reach_of(_NEW)
REACHED = Reached("office", "icmp", 0, False, _WAS, views_of(_WAS), _OLD.origin)
AGAINST = Reached(
    "office",
    "icmp",
    0,
    False,
    _IS,
    views_of(_IS),
    _NEW.origin,
    Against("office.yml", "office", _OLD.origin, changes_between(_WAS, _IS)),
)
