"""Print the generation id of nftables in this network namespace: the kernel adds one with every transaction.

Run inside the namespace that is asked about, by any Python; it needs nothing of netlab.
"""

import socket
import struct

_NETLINK_NETFILTER = 12
_NLM_F_REQUEST = 1
#: NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN, NFT_MSG_NEWGEN (linux/netfilter/nfnetlink.h, nf_tables.h).
_GETGEN, _NEWGEN = 10 << 8 | 16, 10 << 8 | 15
_NFTA_GEN_ID = 1


def generation() -> int:
    """Give the generation id of the namespace that this thread is in; raise OSError where the kernel does not tell."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as asking:
        asking.settimeout(10)
        asking.send(struct.pack("=IHHII", 20, _GETGEN, _NLM_F_REQUEST, 1, 0) + bytes(4))
        answer = asking.recv(4096)
    length, kind = struct.unpack_from("=IH", answer)
    at = 20  # past nlmsghdr and nfgenmsg
    while kind == _NEWGEN and at < length:
        size, attribute = struct.unpack_from("=HH", answer, at)
        if attribute == _NFTA_GEN_ID:
            return int(struct.unpack_from("!I", answer, at + 4)[0])
        at += (size + 3) & ~3
    raise OSError(f"nftables tells no generation: answer of type {kind}")


if __name__ == "__main__":
    print(generation())
