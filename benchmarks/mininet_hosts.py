"""Make and remove N Mininet hosts, PER on each bridge; print "up S down S". Run by the Python that has Mininet.

The bridge is Mininet's LinuxBridge in the words of iproute2, so that bridge-utils need not be there. Mininet's own
start, which raises limits of the whole machine, is left out: a benchmark changes nothing outside.
"""

import resource
import sys
import time

from mininet.log import setLogLevel
from mininet.net import Mininet
from mininet.node import Switch


class Bridge(Switch):
    """A Linux bridge in the namespace that Mininet runs in."""

    def start(self, _controllers: object) -> None:
        self.cmd(f"ip link add {self.name} type bridge")
        for port in self.intfList():
            if self.name in port.name:
                self.cmd(f"ip link set {port.name} master {self.name}")
        self.cmd(f"ip link set {self.name} up")

    def stop(self, *args: object, **options: object) -> None:
        self.cmd(f"ip link del {self.name}")
        super().stop(*args, **options)


def main(nodes: int, per_bridge: int) -> None:
    setLogLevel("error")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    Mininet.inited = True
    start = time.monotonic()
    net = Mininet(controller=None, switch=Bridge, ipBase="10.64.0.0/16")
    bridge = None
    for number in range(nodes):
        if number % per_bridge == 0:
            bridge = net.addSwitch(f"s{number // per_bridge}")
        address = f"10.64.{(number + 2) // 256}.{(number + 2) % 256}/16"
        net.addLink(net.addHost(f"m{number}", ip=address, defaultRoute="via 10.64.0.1"), bridge)
    net.start()
    up = time.monotonic()
    net.stop()
    print(f"up {up - start:.4f} down {time.monotonic() - up:.4f}")


main(int(sys.argv[1]), int(sys.argv[2]))
