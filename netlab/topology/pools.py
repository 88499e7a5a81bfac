"""Address pools: which address of a subnet comes next."""

from __future__ import annotations

from netlab.topology.ip import BITS, Ip


class Pool:
    """The addresses of one subnet on one link; gives the lowest free one.

    The network's own address and the broadcast address are never given, but for /31, /32, /127 and /128, which have
    neither (RFC 3021, RFC 6164).
    """

    def __init__(self, network: Ip, taken: set[int]) -> None:
        self.network, self.taken = network, taken
        size = 1 << (BITS[network.version] - network.prefix)
        small = size <= 2
        self._next = network.value + (0 if small else 1)
        self._last = network.value + size - (1 if small or network.version == 6 else 2)

    def reserve(self, address: Ip) -> bool:
        """Take one address, if it is of this pool and free."""
        if address.prefix != self.network.prefix or not self.network.holds(address.version, address.value):
            return False
        if address.value in self.taken or not self._next <= address.value <= self._last:
            return False
        self.taken.add(address.value)
        return True

    def take(self) -> Ip | None:
        """Take the lowest free address; None when there is none left.

        >>> pool = Pool(Ip(4, 10 << 24, 24), {(10 << 24) + 1})
        >>> str(pool.take())
        '10.0.0.2/24'
        """
        while self._next <= self._last:
            value = self._next
            self._next += 1
            if value not in self.taken:
                self.taken.add(value)
                return Ip(self.network.version, value, self.network.prefix)
        return None
