# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probes: namespaces plugged into networks in guests' places. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .address import ip_version
from .base import MARK, Step
from .mac_address import derived_mac
from .netns import Netns
from .probe import ProbedNetwork
from .veth import Veth, VethEnd
from .world import Route, World

#: What the names of all probes' namespaces, and of their interfaces on the host, begin with.
NETNS_PREFIX, LINK_PREFIX = "vn-probe-", "vnprobe"
#: The probe's own interface.
INSIDE = "eth0"
#: Packets with this mark go to the host, whatever the routes say: what a guest that keeps to no rule can do.
MARK_TO_HOST = 1
#: Next hops that nobody has; a permanent neighbour entry makes the host's bridge of them.
_HOST_ALIAS = {4: "169.254.77.77", 6: "fe80::7777:7777"}
_TABLE = 77


@dataclass(frozen=True)
class Lease:
    """What a DHCP server gave; ``address`` has a prefix length."""

    address: str
    routers: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Probe:
    """One probe; ``addresses`` without prefix length, and none before they are known."""

    netns: str
    link: str
    mac: str
    addresses: tuple[str, ...] = ()
    lease: Lease | None = None

    def with_lease(self, lease: Lease | None) -> Probe:
        if lease is None:
            return self
        return replace(self, lease=lease, addresses=(lease.address.partition("/")[0], *self.addresses))


def probes(networks: list[ProbedNetwork], host: str) -> dict[str, tuple[Probe, Probe]]:
    """The two probes of each network, before any lease; from `host`, its name, their MAC addresses are derived."""
    return {
        network.name: (_probe(network, i, 0, host), _probe(network, i, 1, host)) for i, network in enumerate(networks)
    }


def _probe(network: ProbedNetwork, index: int, number: int, host: str) -> Probe:
    place = f"{index + 1}-{number + 1}"
    return Probe(
        netns=f"{NETNS_PREFIX}{place}",
        link=f"{LINK_PREFIX}{place}",
        mac=derived_mac("virtnet-probe", host, network.name, number),
        addresses=tuple(a.partition("/")[0] for a in network.addresses[number]),
    )


def resources(network: ProbedNetwork, pair: tuple[Probe, Probe]) -> list[Netns | Veth]:
    """What the two probes are made of."""
    # The probe takes what it is given, and no address or route by itself.
    quiet = {"net.ipv6.conf.all.accept_ra": "0", "net.ipv6.conf.default.accept_ra": "0"} if _v6(network) else {}
    made: list[Netns | Veth] = []
    for number, probe in enumerate(pair):
        own = network.addresses[number]
        routes = {ip_version(gateway): gateway for gateway in reversed(network.gateways)}
        versions = {ip_version(a) for a in own}
        inside = VethEnd(
            name=f"{probe.link}p",
            netns=probe.netns,
            ifname=INSIDE,
            addresses=own,
            mac=probe.mac,
            routes=tuple(Route(_everything(v), routes[v]) for v in sorted(versions & routes.keys())),
            alias=MARK,
            up=True,
        )
        outside = VethEnd(
            name=probe.link,
            ifname=probe.link,
            # A bridge whose own is not fixed takes the lowest of its ports'; this one is high.
            mac=f"fe{probe.mac[2:]}",
            bridge=network.bridge,
            alias=MARK,
            up=True,
        )
        made += [Netns(name=probe.netns, sysctls=tuple(sorted(quiet.items())), alias=MARK, up=True)]
        made += [Veth(near=outside, peer=inside)]
    return made


def _v6(network: ProbedNetwork) -> bool:
    return 6 in network.versions


def _everything(version: int) -> str:
    return "0.0.0.0/0" if version == 4 else "::/0"


def lines_to_host(version: int, bridge_mac: str) -> list[str]:
    """For `ip -batch` inside a probe: marked packets go to the host's bridge."""
    hop = _HOST_ALIAS[version]
    return [
        f"neighbour replace {hop} lladdr {bridge_mac} dev {INSIDE} nud permanent",
        f"route replace default via {hop} dev {INSIDE} onlink table {_TABLE}",
        f"rule add fwmark {MARK_TO_HOST} lookup {_TABLE}",
    ]


def lease_route(lease: Lease) -> Route | None:
    return Route(_everything(4), lease.routers[0]) if lease.routers else None


def left_overs(names: list[str]) -> list[Netns]:
    """What an earlier run may have left, of the namespaces that there are."""
    return [Netns(name=name) for name in names if name.startswith(NETNS_PREFIX)]


def removal(world: World, found: list[Netns]) -> list[Step]:
    """The way back: their interfaces first, since those of a namespace go some time after it.

    :raises SpecError: one of them is somebody else's
    """
    removed = [replace(netns, state="absent") for netns in found if netns.have(world)]
    for netns in removed:
        netns.target(world, netns.have(world))
    ends = [n for n, link in world.links(None).items() if n.startswith(LINK_PREFIX) and link.kind == "veth"]
    pairs = [Veth(near=VethEnd(name, ifname=name), peer=None) for name in ends if world.link(None, name).owned]
    return [step for pair in pairs for step in Veth.steps(pair, None)] + [
        step for netns in removed for step in Netns.steps(netns, None)
    ]
