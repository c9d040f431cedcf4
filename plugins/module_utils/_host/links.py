# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The links of one namespace, from rtnetlink(7) messages as pyroute2 gives them."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any, Callable

from .._spec.ip import BRIDGE_OPTIONS
from .._spec.world import Link, Route, in_order
from . import tuntap
from .errors import HostError

_IFF_UP = 0x1
#: ARPHRD_ETHER and ARPHRD_LOOPBACK of <linux/if_arp.h>.
_HARDWARE = {1: "ethernet", 772: "loopback"}
_IFA_F_SECONDARY = 0x01
_IFA_F_PERMANENT = 0x80
_NLM_F_DUMP_INTR = 0x10
_RT_SCOPE_LINK = 253
_RT_TABLE_MAIN = 254
#: RTPROT_BOOT and RTPROT_STATIC: what a person or this collection made.
ROUTE_PROTOCOLS = {3: "boot", 4: "static"}
_IPV6_DEFAULT_METRIC = 1024
_DUMPS = 50


def read_links(ipr: Any, link_local: Mapping[str, tuple[str, ...]]) -> dict[str, Link]:
    """Every link by its name. Of link-local addresses only those are seen that `link_local` has for the link's name."""
    messages = _dump(ipr.get_links)
    names = {m["index"]: m.get_attr("IFLA_IFNAME") for m in messages}
    addresses: dict[int, list[str]] = {index: [] for index in names}
    secondary: dict[int, list[str]] = {index: [] for index in names}
    for message in _dump(ipr.get_addr):
        index, text, flags = message["index"], _address(message), _flags(message)
        if (
            index in names
            and flags & _IFA_F_PERMANENT
            and (not _is_link_local(message) or text in link_local.get(names[index], ()))
        ):
            addresses[index].append(text)
            # For IPv6 the same bit says "temporary".
            if flags & _IFA_F_SECONDARY and message["family"] == socket.AF_INET:
                secondary[index].append(text)
    routes: dict[int, list[Route]] = {}
    for message in _dump(lambda: ipr.get_routes(table=_RT_TABLE_MAIN)):
        if message.get_attr("RTA_OIF") and message["proto"] in ROUTE_PROTOCOLS:
            routes.setdefault(message.get_attr("RTA_OIF"), []).append(_route(message))
    return {
        names[m["index"]]: _link(
            m,
            names,
            addresses=tuple(sorted(addresses[m["index"]])),
            secondary=tuple(secondary[m["index"]]),
            routes=in_order(routes.get(m["index"], ())),
        )
        for m in messages
    }


def _dump(ask: Callable[[], Any]) -> list[Any]:
    """All messages of one moment: the kernel marks a dump that a change came into, and it is then asked for again."""
    from pyroute2.netlink.exceptions import NetlinkDumpInterrupted

    for _attempt in range(_DUMPS):
        try:
            messages = list(ask())
        except NetlinkDumpInterrupted:
            continue
        if not any(m["header"]["flags"] & _NLM_F_DUMP_INTR for m in messages):
            return messages
    raise HostError("the network interfaces change all the time, so they cannot be read; find out what changes them")


def _flags(message: Any) -> int:
    flags = message.get_attr("IFA_FLAGS")
    return message["flags"] if flags is None else flags


def _is_link_local(message: Any) -> bool:
    return message["family"] == socket.AF_INET6 and message["scope"] == _RT_SCOPE_LINK


def _address(message: Any) -> str:
    return f"{message.get_attr('IFA_LOCAL') or message.get_attr('IFA_ADDRESS')}/{message['prefixlen']}"


def _route(message: Any) -> Route:
    v6 = message["family"] == socket.AF_INET6
    dst = message.get_attr("RTA_DST") or ("::" if v6 else "0.0.0.0")
    metric = message.get_attr("RTA_PRIORITY") or None
    if v6 and metric == _IPV6_DEFAULT_METRIC:
        metric = None
    gateway = message.get_attr("RTA_GATEWAY")
    return Route(f"{dst}/{message['dst_len']}", gateway, metric, ROUTE_PROTOCOLS[message["proto"]])


def _link(message: Any, names: Mapping[int, str], **more: Any) -> Link:
    info = message.get_attr("IFLA_LINKINFO")
    kind = (info.get_attr("IFLA_INFO_KIND") if info else None) or ""
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
        hardware=_HARDWARE.get(message["ifi_type"], "other"),
        isolated=bool(port.get_attr("IFLA_BRPORT_ISOLATED")) if hasattr(port, "get_attr") else None,
        info=_INFO[kind](message, info.get_attr("IFLA_INFO_DATA")) if kind in _INFO else {},
        **more,
    )


def _bridge_info(_message: Any, data: Any) -> dict[str, Any]:
    info = {}
    for name, (attribute, _word, scale) in BRIDGE_OPTIONS.items():
        value = data.get_attr(f"IFLA_{attribute.upper()}")
        info[name] = bool(value) if name in ("stp", "vlan_filtering") else value // scale
    return info


def _tun_info(_message: Any, data: Any) -> dict[str, Any]:
    return {
        "mode": "tap" if data.get_attr("IFLA_TUN_TYPE") == tuntap.IFF_TAP else "tun",
        "owner": data.get_attr("IFLA_TUN_OWNER"),
        "group": data.get_attr("IFLA_TUN_GROUP"),
        "multi_queue": bool(data.get_attr("IFLA_TUN_MULTI_QUEUE")),
        "vnet_hdr": bool(data.get_attr("IFLA_TUN_VNET_HDR")),
    }


def _veth_info(message: Any, _data: Any) -> dict[str, Any]:
    """The index of the other end, and the id its namespace has here (None: it is in the same one)."""
    return {"peer_index": message.get_attr("IFLA_LINK"), "peer_nsid": message.get_attr("IFLA_LINK_NETNSID")}


_INFO = {"bridge": _bridge_info, "tun": _tun_info, "veth": _veth_info}
