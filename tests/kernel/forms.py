"""Labs in every form that the language has for a thing: what is read back must be what was asked for."""

from __future__ import annotations

ROUTES = """\
name: forms
netns:
  a:
    interfaces:
      eth0:
        peer: "b:eth0"
        addresses:
          [10.0.0.0/31, 192.0.2.1/32, 10.1.0.1/24, 10.1.0.2/24, 10.1.0.3/16, 169.254.7.7/16, "fd00::1/64", "fd00::2/64",
          "fd01::1/128", "fe80::1/64", "2001:db8::1/127"]
      lo: {addresses: [10.255.0.1/32, "fd0f::1/128", 127.0.0.2/8]}
    routes:
      - {to: default, via: 10.0.0.1}
      - {to: default, blackhole: true, metric: 4278198272}
      - {to: default, dev: eth0, table: 56}
      - {to: 172.16.0.0/16, via: 198.51.100.1, dev: eth0, onlink: true}
      - {to: 172.17.0.0/16, via: 10.0.0.1, metric: 50}
      - {to: 172.17.0.0/16, via: 10.0.0.1, metric: 100, mtu: 1400}
      - {to: 172.18.0.0/16, via: 10.0.0.1, table: 100}
      - {to: 172.18.0.0/16, via: 10.0.0.1, table: 1000, source: 10.1.0.2}
      - {to: 172.19.0.0/16, dev: eth0}
      - {to: 172.20.0.0/16, dev: eth0, source: 10.255.0.1}
      - {to: 172.21.0.0/16, blackhole: true}
      - {to: 172.22.0.0/16, unreachable: true, metric: 10}
      - {to: 172.23.0.0/16, prohibit: true, table: 7}
      - {to: 198.51.100.7/32, dev: eth0}
      - {to: 172.24.0.0/16, via: 198.51.100.7}
      - {to: 224.0.0.0/4, dev: eth0}
      - {to: 10.98.0.0/16, dev: lo}
      - {to: "::/0", via: "fe80::99", dev: eth0}
      - {to: "::/0", dev: eth0, table: 55}
      - {to: "::/0", unreachable: true, table: 300, metric: 4294967295}
      - {to: "fd10::/64", via: "fd00::99"}
      - {to: "fd11::/64", via: "fd00::99", metric: 5}
      - {to: "fd12::/64", via: "fd00::99", metric: 1024}
      - {to: "fd13::/64", via: "fd00::99", table: 100}
      - {to: "fd14::/64", via: "fd77::99", dev: eth0, onlink: true}
      - {to: "fd15::/64", dev: eth0}
      - {to: "fd16::/64", dev: eth0, source: "fd00::2", mtu: 1400}
      - {to: "fd17::/64", blackhole: true}
      - {to: "fd18::/64", unreachable: true, metric: 77}
      - {to: "fd19::/64", prohibit: true, table: 300}
      - {to: "fd1a::1/128", dev: eth0}
      - {to: "fd1b::/64", via: "2001:db8::"}
      - {to: "fd98::/64", dev: lo}
      - {to: "ff05::/16", dev: eth0}
  b: {interfaces: {eth0: {addresses: [10.0.0.1/31, "fd00::99/64"]}}}
"""
SINGLES = """\
name: singles
netns:
  a:
    interfaces: {eth0: {peer: "b:eth0", address: 10.0.0.1, mtu: 1200}}
    routes: [{to: 10.0.0.2/32, dev: eth0}, {to: default, via: 10.0.0.2}]
  b:
    interfaces: {eth0: {address: 10.0.0.2, mtu: 68}}
    routes: [{to: default, via: 10.0.0.1, dev: eth0, onlink: true}]
  c: {interfaces: {eth0: {peer: "d:eth0", address: "fd00::1"}}, routes: [{to: "fd00::2/128", dev: eth0}]}
  d: {interfaces: {eth0: {address: "fd00::2"}}, routes: [{to: "::/0", via: "fd00::1", dev: eth0, onlink: true}]}
"""
BRIDGES = """\
name: bridges
bridges:
  br0: {stp: true, hello_time: 1s, max_age: 6s, ageing: 0s, priority: 0, mtu: 9000, subnet: 10.0.0.0/24}
  br1: {forward_delay: 0, hello_time: 10s, max_age: 40s, ageing: 86400s, priority: 65535, mtu: 68, up: false}
  br2: {ageing: 1.5s, hello_time: 1.23s, forward_delay: 3.33s, max_age: 7.77s, mtu: 1500}
  br3:
  br4: {mtu: 65535}
netns:
  a:
    bridge: [br0, br1]
    bridges: {in0: {address: none, subnet: 10.3.0.0/24}, in1: }
    veths:
      - [{bridge: "a:in0", name: x}, {bridge: "a:in1", name: y}]
      - [{name: p, address: 10.9.0.1/24}, {name: q, up: false}]
  b:
    interfaces:
      eth0: {bridge: "a:in0", mtu: 1400}
      eth1: {bridge: br2, mtu: 9000}
      eth2: {bridge: br3, mtu: 65535}
      eth3: {bridge: br3, mtu: 1280}
"""
SETTINGS = """\
name: settings
bridges: {br0: {subnets: [10.0.0.0/24, "fd00::/64"]}}
netns:
  a:
    bridge: br0
    forwarding: true
    sysctls:
      net.ipv4.conf.all.rp_filter: 1
      net.ipv4.conf.default.rp_filter: 2
      net.ipv4.conf.eth0.rp_filter: 1
      net.ipv4.conf.lo.rp_filter: 1
      net.ipv4.conf.all.forwarding: 1
      net.ipv4.conf.eth0.forwarding: 0
      net.ipv4.conf.eth0.proxy_arp: 1
      net.ipv4.conf.eth0.send_redirects: 0
      net.ipv4.neigh.eth0.gc_stale_time: 99
      net.ipv4.ip_local_port_range: 10000 20000
      net.ipv4.ping_group_range: "0 2147483647"
      net.ipv4.tcp_rmem: 4096 131072 6291456
      net.ipv4.ip_default_ttl: 33
      net.ipv6.conf.eth0.accept_ra: 2
      net.ipv6.conf.eth0.forwarding: 0
      net.ipv6.conf.eth0.hop_limit: 17
      net.ipv6.conf.default.hop_limit: 33
  b: {bridge: br0, sysctls: {net.ipv4.conf.all.arp_ignore: 1, net.ipv4.ip_forward: 1}}
  c: {bridge: br0, ipv6: true, sysctls: {net.ipv6.conf.all.forwarding: 1, net.ipv6.conf.all.accept_ra: 2}}
  d: {sysctls: {net.ipv4.conf.all.forwarding: 1}}
  e: {ipv6: true}
"""
LINK_LOCAL = """\
name: Link.local-1
host: {forwarding: true}
bridges: {br0: {subnets: [10.0.0.0/24, "fd00::/64"], addresses: ["fe80::1/64"]}}
routes: [{to: 172.16.0.0/16, via: b}, {to: "fd55::/64", via: d}, {to: 172.17.0.0/16, blackhole: true}]
netns:
  A.b-c:
    forwarding: true
    interfaces:
      eth0.100: {peer: "b:eth1", address: "fe80::1/64"}
      abcdefghijklmno: {peer: "c:e-.x", address: "fe80::1/64", mtu: 9000}
    sysctls: {net.ipv4.conf.eth0.100.rp_filter: 2, net.ipv6.conf.eth0.100.hop_limit: 3}
  b:
    bridge: br0
    interfaces: {eth1: {address: "fe80::2/64"}}
    routes:
      - {to: 203.0.113.0/24, via: 192.0.2.1, dev: eth1, onlink: true}
      - {to: "::/0", via: "fe80::1", dev: eth1, metric: 1}
      - {to: "fd08::/64", via: "fe80::1", dev: eth0}
  c:
    interfaces: {e-.x: {addresses: ["fe80::3/64", "fd00:0:0::3/128"]}}
    routes: [{to: "::/0", via: "fe80::1", dev: e-.x, table: 255}]
  d: {interfaces: {eth0: {bridge: br0, address: "fd00::77/64"}}, gateway: "fe80::1"}
"""
METRICS = """\
name: metrics
netns:
  a:
    interfaces: {eth0: {peer: "b:eth0", addresses: [10.0.0.1/24, "fd00::1/64"]}}
    gateway: [10.0.0.2, "fd00::2"]
    routes:
      - {to: default, via: 10.0.0.3, metric: 10}
      - {to: default, via: 10.0.0.4, metric: 4294967295}
      - {to: 0.0.0.0/1, via: 10.0.0.9}
      - {to: 10.0.0.0/24, via: 10.0.0.3, metric: 5}
      - {to: 10.0.0.7/32, via: 10.0.0.3}
      - {to: 10.5.0.0/16, via: 10.0.0.9, mtu: 68}
      - {to: 127.0.0.0/8, blackhole: true, metric: 3}
      - {to: 255.255.255.255/32, dev: eth0}
      - {to: "::/0", via: "fd00::3", metric: 10}
      - {to: "fd09::/64", via: "fd00::2", mtu: 9000}
  b: {interfaces: {eth0: {addresses: [10.0.0.2/24, "fd00::2/64"]}}}
"""
DOWN = """\
name: down
bridges: {br0: {address: 10.0.0.1/24, up: false}}
netns:
  a:
    interfaces:
      lo: {up: false, address: "fd01::1/128"}
      eth0: {peer: "b:eth0", addresses: [10.1.0.1/24, "fd00::1/64"], up: false}
    routes: [{to: "fd77::/64", blackhole: true}, {to: 172.16.0.0/16, unreachable: true}]
  b: {interfaces: {eth0: {addresses: [10.1.0.2/24, "fd00::2/64"]}}, routes: [{to: 172.16.0.0/16, via: 10.1.0.1}]}
  c: br0
"""
FORMS = (ROUTES, SINGLES, BRIDGES, SETTINGS, LINK_LOCAL, METRICS, DOWN)
