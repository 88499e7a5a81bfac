"""Live checks and packet capture, in network namespaces given as open descriptors.

run_checks    checks and nodes become verdicts
capture       a device of a node becomes a pcap stream
"""

from netlab.probe.capture import Captured, capture
from netlab.probe.events import Event
from netlab.probe.judge import Verdict, judge
from netlab.probe.run import run_checks

__all__ = ["Captured", "Event", "Verdict", "capture", "judge", "run_checks"]
