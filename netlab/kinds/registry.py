"""Every kind of device but bridges and veth pairs, by its name."""

from __future__ import annotations

from typing import Final

from netlab.kinds.bond import BOND
from netlab.kinds.dummy import DUMMY
from netlab.kinds.ipvlan import IPVLAN
from netlab.kinds.kind import Kind
from netlab.kinds.macvlan import MACVLAN
from netlab.kinds.tap import TAP
from netlab.kinds.vlan import VLAN
from netlab.kinds.vrf import VRF
from netlab.kinds.vxlan import VXLAN

KINDS: Final[dict[str, Kind]] = {kind.name: kind for kind in (DUMMY, VLAN, VXLAN, MACVLAN, IPVLAN, BOND, VRF, TAP)}
