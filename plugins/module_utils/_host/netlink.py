# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Links, addresses, routes and namespaces through netlink (rtnetlink(7)), on pyroute2 0.7.2 to 0.9.

Only what all those versions share is used: `IPRoute` opened inside the namespace it is to serve,
`get_attr`, `list(dump)`; no return value of a change is looked at.
"""

from __future__ import annotations

import grp
import os
import pwd
import socket
from contextlib import contextmanager
from typing import Any, Iterator

from .._spec.base import Resource, Step
from .._spec.ip import BRIDGE_OPTIONS
from .._spec.world import Link, Route, World
from . import namespace, tuntap
from .errors import HostError

_IFF_UP = 0x1
_IFA_F_PERMANENT = 0x80
_IFA_F_NODAD = 0x02
_RT_TABLE_MAIN = 254
#: RTPROT_BOOT and RTPROT_STATIC: what a person or this collection made, see rtnetlink(7).
_ROUTE_PROTOCOLS = (3, 4)
_IPV6_DEFAULT_METRIC = 1024


class Netlink:
    """One netlink socket for each namespace touched, opened on first use."""

    def __init__(self) -> None:
        self._sockets: dict[str | None, Any] = {}
        self._indexes: dict[tuple[str | None, str], int] = {}

    def close(self) -> None:
        for ipr in self._sockets.values():
            ipr.close()
        self._sockets.clear()

    # -- observation -----------------------------------------------------------------------------

    def observe(self, wants: list[Resource], everything: bool = False) -> World:
        """The links of every namespace that `wants` speak of, or of every one there is, in one dump each."""
        self.close()
        self._indexes.clear()
        existing = set(namespace.names())
        # A veth that is named by one end only may have the other anywhere.
        everywhere = everything or any(want.kind == "veth" and want.peer is None for want in wants)
        names = {None, *_namespaces_of(wants), *(existing if everywhere else ())}
        asked = {w.name: dict(w.sysctls or ()) for w in wants if w.kind == "netns" and w.name in existing}
        return World(
            {n: self._links(n) if n is None or n in existing else None for n in names},
            sysctls={n: namespace.read_sysctls(n, keys) for n, keys in asked.items()},
            processes={w.name: namespace.processes(w.name) for w in wants if w.name in asked and w.state == "absent"},
            ids=_ids(wants),
        )

    def _links(self, netns: str | None) -> dict[str, Link]:
        ipr = self._socket(netns)
        addresses: dict[int, list[str]] = {}
        for message in ipr.get_addr():
            if text := _permanent_address(message):
                addresses.setdefault(message["index"], []).append(text)
        routes: dict[int, list[Route]] = {}
        for message in ipr.get_routes(table=_RT_TABLE_MAIN):
            if message.get_attr("RTA_OIF") and message["proto"] in _ROUTE_PROTOCOLS:
                routes.setdefault(message.get_attr("RTA_OIF"), []).append(_route(message))
        messages = list(ipr.get_links())
        names = {m["index"]: m.get_attr("IFLA_IFNAME") for m in messages}
        self._indexes.update({(netns, name): index for index, name in names.items()})
        return {
            names[m["index"]]: _link(m, names, addresses.get(m["index"], []), routes.get(m["index"], []))
            for m in messages
        }

    def _socket(self, netns: str | None) -> Any:
        from pyroute2 import IPRoute

        if netns not in self._sockets:
            with namespace.entered(netns):
                self._sockets[netns] = IPRoute()
        return self._sockets[netns]

    def _index(self, netns: str | None, name: str) -> int:
        if (netns, name) not in self._indexes:
            found = list(self._socket(netns).link_lookup(ifname=name))
            if not found:
                raise HostError(f"interface '{name}' has vanished")
            self._indexes[netns, name] = found[0]
        return self._indexes[netns, name]

    # -- changes ---------------------------------------------------------------------------------

    def commit(self, steps: list[Step]) -> None:
        for step in steps:
            with _plainly(step):
                getattr(self, f"_{step.op}")(**step.args)

    def _netns_add(self, name: str) -> None:
        namespace.create(name)

    def _netns_del(self, name: str) -> None:
        if ipr := self._sockets.pop(name, None):
            ipr.close()
        namespace.remove(name)

    def _sysctl_set(self, netns: str | None, key: str, value: str) -> None:
        namespace.write_sysctl(netns, key, value)

    def _link_add(self, netns: str | None, name: str, **attributes: Any) -> None:
        self._socket(netns).link("add", ifname=name, **attributes)

    def _link_set(self, netns: str | None, name: str, **attributes: Any) -> None:
        self._socket(netns).link("set", index=self._index(netns, name), **attributes)

    def _link_del(self, netns: str | None, name: str) -> None:
        self._socket(netns).link("del", index=self._index(netns, name))
        del self._indexes[netns, name]

    def _link_move(self, netns: str | None, name: str, to_netns: str | None, to_name: str) -> None:
        index = self._index(netns, name)
        attributes: dict[str, Any] = {"ifname": to_name}
        with namespace.descriptor(to_netns) as fd:
            if to_netns != netns:
                attributes["net_ns_fd"] = fd
            self._socket(netns).link("set", index=index, **attributes)
        del self._indexes[netns, name]

    def _veth_add(self, netns: str | None, name: str, peer_netns: str | None, peer_name: str) -> None:
        with namespace.descriptor(peer_netns) as fd:
            self._socket(netns).link("add", ifname=name, kind="veth", peer={"ifname": peer_name, "net_ns_fd": fd})

    def _tap_set(self, netns: str | None, **options: Any) -> None:
        with namespace.entered(netns):
            tuntap.set_persistent(**options)

    def _master_set(self, netns: str | None, name: str, master: str | None) -> None:
        self._link_set(netns, name, master=self._index(netns, master) if master else 0)

    def _isolated_set(self, netns: str | None, name: str, isolated: bool) -> None:
        self._socket(netns).brport("set", index=self._index(netns, name), isolated=int(isolated))

    def _address_add(self, netns: str | None, name: str, address: str) -> None:
        ip, prefix = address.split("/")
        extra = {"family": socket.AF_INET6, "flags": _IFA_F_NODAD} if ":" in ip else {}
        # "replace", not "add": an address that is already there is what was wanted.
        ipr, index = self._socket(netns), self._index(netns, name)
        ipr.addr("replace", index=index, address=ip, prefixlen=int(prefix), **extra)

    def _address_del(self, netns: str | None, name: str, address: str) -> None:
        ip, prefix = address.split("/")
        self._socket(netns).addr("del", index=self._index(netns, name), address=ip, prefixlen=int(prefix))

    def _route_add(self, netns: str | None, name: str, route: Route) -> None:
        self._socket(netns).route("add", oif=self._index(netns, name), **_route_arguments(route))

    def _route_del(self, netns: str | None, name: str, route: Route) -> None:
        self._socket(netns).route("del", oif=self._index(netns, name), **_route_arguments(route))


@contextmanager
def _plainly(step: Step) -> Iterator[None]:
    """Turn whatever netlink or the kernel says about one step into one sentence about it."""
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        yield
    except NetlinkError as exc:
        raise HostError(f"'{step.line}' failed: {os.strerror(exc.code)}") from exc
    except OSError as exc:
        raise HostError(f"'{step.line}' failed: {exc.strerror or exc}") from exc


def _namespaces_of(wants: list[Resource]) -> set[str]:
    found = set()
    for want in wants:
        if want.kind == "netns":
            found.add(want.name)
        for part in (want, getattr(want, "near", None), getattr(want, "peer", None)):
            found.add(getattr(part, "netns", None))
    return found - {None}


def _ids(wants: list[Resource]) -> dict[tuple[str, str], int]:
    lookups = {"owner": lambda n: pwd.getpwnam(n).pw_uid, "group": lambda n: grp.getgrnam(n).gr_gid}
    found = {}
    for option, lookup in lookups.items():
        for name in {getattr(want, option, None) for want in wants} - {None}:
            try:
                found[option, name] = lookup(name)
            except KeyError:
                continue
    return found


def _permanent_address(message: Any) -> str | None:
    """The address of an RTM_NEWADDR message, unless it is link-local or came by DHCP or SLAAC."""
    flags = message.get_attr("IFA_FLAGS")
    link_local = message["family"] == socket.AF_INET6 and message["scope"] == 253
    if link_local or not (message["flags"] if flags is None else flags) & _IFA_F_PERMANENT:
        return None
    address = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
    return f"{address}/{message['prefixlen']}"


def _route(message: Any) -> Route:
    v6 = message["family"] == socket.AF_INET6
    dst = message.get_attr("RTA_DST") or ("::" if v6 else "0.0.0.0")
    metric = message.get_attr("RTA_PRIORITY") or None
    gateway = message.get_attr("RTA_GATEWAY")
    return Route(f"{dst}/{message['dst_len']}", gateway, None if v6 and metric == _IPV6_DEFAULT_METRIC else metric)


def _route_arguments(route: Route) -> dict[str, Any]:
    arguments = {"dst": route.dst, "family": socket.AF_INET6 if ":" in route.dst else socket.AF_INET}
    if route.gateway:
        arguments["gateway"] = route.gateway
    if route.metric:
        arguments["priority"] = route.metric
    return arguments


def _link(message: Any, names: dict[int, str], addresses: list[str], routes: list[Route]) -> Link:
    info = message.get_attr("IFLA_LINKINFO")
    kind = (info.get_attr("IFLA_INFO_KIND") if info else None) or ""
    data = info.get_attr("IFLA_INFO_DATA") if info else None
    port = info.get_attr("IFLA_INFO_SLAVE_DATA") if info else None
    return Link(
        index=message["index"],
        name=names[message["index"]],
        kind=kind,
        mac=message.get_attr("IFLA_ADDRESS") or "",
        mtu=message.get_attr("IFLA_MTU"),
        up=bool(message["flags"] & _IFF_UP),
        carrier=bool(message.get_attr("IFLA_CARRIER")),
        alias=message.get_attr("IFLA_IFALIAS"),
        master=names.get(message.get_attr("IFLA_MASTER")),
        peer_index=message.get_attr("IFLA_LINK"),
        isolated=_isolated(port),
        info=_INFO[kind](data) if kind in _INFO else {},
        addresses=tuple(sorted(addresses)),
        routes=tuple(routes),
    )


def _isolated(port: Any) -> bool | None:
    return bool(port.get_attr("IFLA_BRPORT_ISOLATED")) if hasattr(port, "get_attr") else None


def _bridge_info(data: Any) -> dict[str, Any]:
    info = {}
    for name, (attribute, _word, scale) in BRIDGE_OPTIONS.items():
        value = data.get_attr(f"IFLA_{attribute.upper()}")
        info[name] = bool(value) if name in ("stp", "vlan_filtering") else value // scale
    return info


def _tun_info(data: Any) -> dict[str, Any]:
    return {
        "mode": "tap" if data.get_attr("IFLA_TUN_TYPE") == tuntap.IFF_TAP else "tun",
        "owner": data.get_attr("IFLA_TUN_OWNER"),
        "group": data.get_attr("IFLA_TUN_GROUP"),
        "multi_queue": bool(data.get_attr("IFLA_TUN_MULTI_QUEUE")),
        "vnet_hdr": bool(data.get_attr("IFLA_TUN_VNET_HDR")),
    }


_INFO = {"bridge": _bridge_info, "tun": _tun_info}
