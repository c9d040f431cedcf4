# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A model of what the kernel makes of the `ip` steps, for laws that are to hold after any number of them.

It refuses what the kernel refuses, and forgets what the kernel forgets: see the manual pages, and the functions
named below. That it is right is checked against the real one in tests/integration/test_kernel_model.py.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ansible_collections.virtnet.qemu.plugins.module_utils._spec import uplink
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.base import Step
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.holding import HeldAddress, HeldRoute, Holding
from ansible_collections.virtnet.qemu.plugins.module_utils._spec.world import Link, Route, World, in_order

LOOPBACK = Link(1, "lo", "", "00:00:00:00:00:00", 65536, up=False, carrier=False, alias=None, master=None)
BRIDGE = {"stp": False, "forward_delay": 15, "ageing_time": 300, "vlan_filtering": False}
TAP = {"mode": "tap", "owner": None, "group": None, "multi_queue": False, "vnet_hdr": False}


class Refused(Exception):
    """What the kernel answers to a step that cannot be."""


class Kernel:
    """Namespaces with links. Of a link, ``addresses`` are in the order in which they were added.

    :param promote_secondaries: the sysctl of that name, see ip-sysctl of the kernel's documentation
    """

    def __init__(self, spaces: dict[str | None, list[Link]], promote_secondaries: bool = False) -> None:
        self.spaces = {netns: {link.name: link for link in [LOOPBACK, *links]} for netns, links in spaces.items()}
        self.spaces.setdefault(None, {"lo": LOOPBACK})
        self.sysctls: dict[str | None, dict[str, str]] = {netns: {} for netns in self.spaces}
        self.promote_secondaries = promote_secondaries
        self._indexes = 100

    def world(self, wants: Iterable[Any] = ()) -> World:
        """What an adapter observes: links with what the journal knows of them, and the sysctls that are asked about."""
        spaces = {
            netns: {
                name: replace(
                    link,
                    addresses=tuple(sorted(link.addresses)),
                    routes=in_order(link.routes),
                    secondary=tuple(_secondary(link.addresses)),
                    unfinished=link.unfinished and not link.alias,
                )
                for name, link in links.items()
            }
            for netns, links in self.spaces.items()
        }
        asked = {want.name: dict(want.sysctls or ()) for want in wants if want.kind == "netns"}
        sysctls = {
            netns: {key: value for key, value in values.items() if key in asked.get(netns, ())}
            for netns, values in self.sysctls.items()
        }
        sysctls[None] = self.sysctls[None]
        holdings = {
            (netns, name): _holding(link) for netns, links in self.spaces.items() for name, link in links.items()
        }
        return World({**dict.fromkeys(asked), **spaces}, sysctls=sysctls, holdings=holdings)

    def places(self) -> set[tuple[str | None, str, int]]:
        return {(netns, name, link.index) for netns, links in self.spaces.items() for name, link in links.items()}

    def settle(self, made: set[tuple[str | None, str, int]]) -> None:
        """As the journal when all the steps are done that made these links: of the others it keeps the unmarked."""
        for netns, name, index in self.places():
            if (netns, name, index) in made or self._get(netns, name).alias:
                self._set(netns, name, unfinished=False)

    def run(self, steps: Iterable[Step]) -> None:
        for step in steps:
            getattr(self, f"_{step.op}")(**step.args)

    # -- namespaces ------------------------------------------------------------------------------

    def _netns_add(self, name: str) -> None:
        if name in self.spaces:
            raise Refused(f"netns {name} exists")
        # The index tells it from one of that name that was there before.
        self._indexes += 1
        self.spaces[name] = {"lo": replace(LOOPBACK, index=self._indexes, unfinished=True)}
        self.sysctls[name] = {}

    def _netns_del(self, name: str) -> None:
        for link in [link for link in self.spaces[name].values() if link.kind == "veth"]:
            self._link_del(name, link.name)
        del self.spaces[name], self.sysctls[name]

    def _sysctl_set(self, netns: str | None, key: str, value: str) -> None:
        values = self.sysctls[netns]
        values[key] = value
        # inet_forward_change in net/ipv4/devinet.c
        if key in ("net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding"):
            both = ("net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding")
            redirects = {"net.ipv4.conf.all.accept_redirects": "0" if value == "1" else "1"}
            others = {other: value for other in values if other.endswith(".forwarding") and "ipv4" in other}
            values.update(
                {k: v for k, v in {**dict.fromkeys(both, value), **redirects, **others}.items() if k in values}
            )

    # -- links -----------------------------------------------------------------------------------

    def _get(self, netns: str | None, name: str) -> Link:
        try:
            return self.spaces[netns][name]
        except KeyError:
            raise Refused(f"no link {name} in {netns}") from None

    def _put(self, netns: str | None, link: Link) -> None:
        self.spaces[netns][link.name] = link

    def _set(self, netns: str | None, name: str, **values: Any) -> None:
        self._put(netns, replace(self._get(netns, name), **values))

    def _new(self, netns: str | None, name: str, kind: str, mac: str | None = None, **values: Any) -> None:
        if name in self.spaces[netns]:
            raise Refused(f"{name} exists in {netns}")
        self._indexes += 1
        mac = mac or f"02:00:00:00:00:{self._indexes % 256:02x}"
        link = Link(self._indexes, name, kind, mac, 1500, False, False, None, None, unfinished=True, **values)
        self._put(netns, link)

    def _link_add(self, netns: str | None, name: str, kind: str, address: str | None = None, **attributes: int) -> None:
        self._new(netns, name, kind, address, info=_bridge_info(BRIDGE, attributes))
        values = self.sysctls[netns]
        for key in uplink.SETTINGS:
            if uplink.setting("default", key) in values:
                values[uplink.setting(name, key)] = values[uplink.setting("default", key)]

    def _veth_add(
        self,
        netns: str | None,
        name: str,
        peer_netns: str | None,
        peer_name: str,
        macs: tuple[str | None, str | None],
    ) -> None:
        if peer_name in self.spaces[peer_netns]:
            raise Refused(f"{peer_name} exists in {peer_netns}")
        self._new(netns, name, "veth", macs[0], peer=(peer_netns, peer_name))
        self._new(peer_netns, peer_name, "veth", macs[1], peer=(netns, name))

    def _link_del(self, netns: str | None, name: str) -> None:
        link = self._get(netns, name)
        for port in [port for port in self.spaces[netns].values() if port.master == name]:
            self._put(netns, replace(port, master=None, isolated=None))
        if link.peer:
            del self.spaces[link.peer[0]][link.peer[1]]
        for key in uplink.SETTINGS:
            self.sysctls[netns].pop(uplink.setting(name, key), None)
        del self.spaces[netns][name]

    def _link_move(self, netns: str | None, name: str, to_netns: str | None, to_name: str) -> None:
        link = self._get(netns, name)
        if link.up:
            raise Refused(f"{name} is up and cannot be renamed")
        if to_name in self.spaces[to_netns]:
            raise Refused(f"{to_name} exists in {to_netns}")
        del self.spaces[netns][name]
        if to_netns != netns:
            link = replace(link, addresses=(), routes=(), master=None, isolated=None)
        self._put(to_netns, replace(link, name=to_name))
        if link.peer:
            self._set(*link.peer, peer=(to_netns, to_name))

    def _link_set(self, netns: str | None, name: str, **attributes: Any) -> None:
        link = self._get(netns, name)
        if "ifalias" in attributes:
            self._set(netns, name, alias=attributes["ifalias"] or None)
        if "address" in attributes:
            self._set(netns, name, mac=attributes["address"])
        if "mtu" in attributes:
            self._set(netns, name, mtu=attributes["mtu"])
        if "kind" in attributes:
            self._set(netns, name, info=_bridge_info(link.info, attributes))
        if "state" in attributes:
            self._change_state(netns, self._get(netns, name), attributes["state"] == "up")

    def _change_state(self, netns: str | None, link: Link, up: bool) -> None:
        if not up:
            v4 = tuple(address for address in link.addresses if ":" not in address)
            link = replace(link, addresses=v4, routes=())
        self._put(netns, replace(link, up=up))

    def _tap_set(
        self, netns: str | None, name: str, owner: int | None, group: int | None, flags: tuple[str, ...]
    ) -> None:
        if name not in self.spaces[netns]:
            self._new(netns, name, "tun", info={**TAP, "multi_queue": "multi_queue" in flags})
        link = self._get(netns, name)
        # tun_set_iff in drivers/net/tun.c
        if link.kind != "tun" or link.info["multi_queue"] != ("multi_queue" in flags):
            raise Refused(f"{name} is no such tap")
        if link.carrier and not link.info["multi_queue"]:
            raise Refused(f"{name} is busy")
        ids = {option: value for option, value in (("owner", owner), ("group", group)) if value is not None}
        self._set(netns, name, info={**link.info, "vnet_hdr": "vnet_hdr" in flags, **ids})

    # -- ports -----------------------------------------------------------------------------------

    def _master_set(self, netns: str | None, name: str, master: str | None, up: bool) -> None:
        if master and self._get(netns, master).kind != "bridge":
            raise Refused(f"{master} is no bridge")
        if self._get(netns, name).master != master:
            self._set(netns, name, master=master, isolated=False if master else None)
        if up:
            self._set(netns, name, up=True)

    def _isolated_set(self, netns: str | None, name: str, isolated: bool) -> None:
        if not self._get(netns, name).master:
            raise Refused(f"{name} is no port")
        self._set(netns, name, isolated=isolated)

    # -- addresses and routes --------------------------------------------------------------------

    def _address_add(self, netns: str | None, name: str, address: str) -> None:
        link = self._get(netns, name)
        if address not in link.addresses:
            self._set(netns, name, addresses=(*link.addresses, address))

    def _address_del(self, netns: str | None, name: str, address: str) -> None:
        link = self._get(netns, name)
        if address not in link.addresses:
            raise Refused(f"{name} has no {address}")
        gone = {address}
        # __inet_del_ifa in net/ipv4/devinet.c
        if ":" not in address and address not in _secondary(link.addresses) and not self.promote_secondaries:
            gone |= {other for other in _secondary(link.addresses) if _subnet(other) == _subnet(address)}
        left = tuple(other for other in link.addresses if other not in gone)
        routes = link.routes
        # fib_inetaddr_event in net/ipv4/fib_frontend.c
        if ":" not in address and not any(":" not in other for other in left):
            routes = tuple(route for route in routes if ":" in route.dst)
        self._set(netns, name, addresses=left, routes=routes)

    def _route_add(self, netns: str | None, name: str, route: Route) -> None:
        link = self._get(netns, name)
        if not link.up:
            raise Refused(f"{name} is down")
        if route.gateway and not any(_reaches(address, route.gateway) for address in link.addresses):
            raise Refused(f"{route.gateway} is not reached through {name}")
        others = [other for there in self.spaces[netns].values() for other in there.routes]
        if (route.dst, route.metric) in [(other.dst, other.metric) for other in others]:
            raise Refused(f"{route.dst} has a route")
        self._set(netns, name, routes=(*link.routes, route))

    def _route_replace(self, netns: str | None, name: str, route: Route) -> None:
        for other in list(self.spaces[netns].values()):
            kept = tuple(r for r in other.routes if (r.dst, r.metric) != (route.dst, route.metric))
            self._put(netns, replace(other, routes=kept))
        self._route_add(netns, name, route)

    def _route_del(self, netns: str | None, name: str, route: Route) -> None:
        link = self._get(netns, name)
        if route not in link.routes:
            raise Refused(f"{name} has no {route}")
        self._set(netns, name, routes=tuple(other for other in link.routes if other != route))

    # -- the holding of an uplink ----------------------------------------------------------------

    def _held_address_put(self, netns: str | None, name: str, held: HeldAddress, argv: list[str]) -> None:
        self._address_add(netns, name, held.address)

    def _held_address_drop(self, netns: str | None, name: str, held: HeldAddress, argv: list[str]) -> None:
        self._address_del(netns, name, held.address)

    def _held_route_put(self, netns: str | None, name: str, held: HeldRoute, argv: list[str]) -> None:
        """Beside another one of the same destination and metric."""
        link, route = self._get(netns, name), _plain(held)
        if not link.up or not (route.gateway is None or any(_reaches(a, route.gateway) for a in link.addresses)):
            raise Refused(f"{held.dst} is not reached through {name}")
        if route in link.routes:
            raise Refused(f"{name} has {route}")
        self._set(netns, name, routes=(*link.routes, route))

    def _held_route_drop(self, netns: str | None, name: str, held: HeldRoute, argv: list[str]) -> None:
        self._route_del(netns, name, _plain(held))


def _holding(link: Link) -> Holding:
    addresses = tuple(HeldAddress(address) for address in link.addresses)
    return Holding(addresses, tuple(_held(route) for route in link.routes))


def _held(route: Route) -> HeldRoute:
    version = 6 if ":" in route.dst else 4
    via = ("via", route.gateway) if route.gateway else ()
    return HeldRoute(route.dst, version, via, metric=route.metric, protocol=route.protocol)


def _plain(held: HeldRoute) -> Route:
    return Route(held.dst, held.gateway, held.metric, held.protocol)


def _bridge_info(info: dict[str, Any], attributes: dict[str, Any]) -> dict[str, Any]:
    """br_changelink in net/bridge/br_netlink.c, br_set_forward_delay and br_stp_start in net/bridge."""
    info = dict(info)
    if "br_forward_delay" in attributes:
        info["forward_delay"] = attributes["br_forward_delay"] // 100
        if info["stp"] and not 2 <= info["forward_delay"] <= 30:
            raise Refused("the forward delay is out of range")
    if "br_ageing_time" in attributes:
        info["ageing_time"] = attributes["br_ageing_time"] // 100
    if "br_vlan_filtering" in attributes:
        info["vlan_filtering"] = bool(attributes["br_vlan_filtering"])
    if "br_stp_state" in attributes:
        info["stp"] = bool(attributes["br_stp_state"])
    if info["stp"]:
        info["forward_delay"] = min(max(info["forward_delay"], 2), 30)
    return info


def _secondary(addresses: tuple[str, ...]) -> list[str]:
    """Those IPv4 addresses that another one of their subnet came before."""
    v4 = [address for address in addresses if ":" not in address]
    return [a for number, a in enumerate(v4) if any(_subnet(a) == _subnet(before) for before in v4[:number])]


def _subnet(address: str) -> Any:
    return ipaddress.ip_interface(address).network


def _reaches(address: str, gateway: str) -> bool:
    return ipaddress.ip_address(gateway) in _subnet(address)
