# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The links of one namespace, from rtnetlink(7)."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .._spec.ip import BRIDGE_OPTIONS
from .._spec.world import Link, Route, in_order
from . import rtnetlink, tuntap
from .rtnetlink import decode, number, text

#: struct ifinfomsg, ifaddrmsg and rtmsg of <linux/rtnetlink.h>, <linux/if_addr.h>.
IFINFOMSG = struct.Struct("=BxHiII")
IFADDRMSG = struct.Struct("=BBBBi")
_RTMSG = struct.Struct("=BBBBBBBBI")

# <linux/if_link.h>
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_MASTER = 1, 3, 4, 5, 10
IFLA_LINKINFO, IFLA_IFALIAS, IFLA_GROUP, _IFLA_EXT_MASK, _IFLA_CARRIER, _IFLA_LINK_NETNSID = 18, 20, 27, 29, 33, 37
IFLA_INFO_KIND, IFLA_INFO_DATA, _IFLA_INFO_SLAVE_KIND, _IFLA_INFO_SLAVE_DATA = 1, 2, 4, 5
_IFLA_BRPORT_ISOLATED = 33
#: Of IFLA_INFO_DATA of a bridge: number, and size in bytes.
IFLA_BR = {"br_forward_delay": (1, 4), "br_ageing_time": (4, 4), "br_stp_state": (5, 4), "br_vlan_filtering": (7, 1)}
_IFLA_TUN_OWNER, _IFLA_TUN_GROUP, _IFLA_TUN_TYPE, _IFLA_TUN_VNET_HDR, _IFLA_TUN_MULTI_QUEUE = 1, 2, 3, 5, 7
_RTEXT_FILTER_SKIP_STATS = 1 << 3
# <linux/if_addr.h>, <linux/rtnetlink.h>
IFA_ADDRESS, IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_TABLE = 1, 4, 5, 6, 15

IFF_UP = 0x1
#: ARPHRD_ETHER and ARPHRD_LOOPBACK of <linux/if_arp.h>.
_HARDWARE = {1: "ethernet", 772: "loopback"}
_IFA_F_SECONDARY = 0x01
_IFA_F_PERMANENT = 0x80
_RT_SCOPE_LINK = 253
_RT_TABLE_MAIN = 254
#: RTPROT_BOOT and RTPROT_STATIC: what a person or this collection made.
ROUTE_PROTOCOLS = {3: "boot", 4: "static"}
_IPV6_DEFAULT_METRIC = 1024
_INTERNET = (socket.AF_INET, socket.AF_INET6)


def read_links(kernel: rtnetlink.Socket, link_local: Mapping[str, tuple[str, ...]]) -> dict[str, Link]:
    """Every link by its name. Of link-local addresses only those are seen that `link_local` has for the link's name."""
    messages = [
        (IFINFOMSG.unpack_from(m), decode(m, IFINFOMSG.size)) for m in rtnetlink.steady(lambda: _ask_links(kernel))
    ]
    names = {head[2]: text(found[IFLA_IFNAME]) for head, found in messages}
    addresses: dict[int, list[str]] = {index: [] for index in names}
    secondary: dict[int, list[str]] = {index: [] for index in names}
    for one in read_addresses(kernel):
        if one.index not in names or not one.flags & _IFA_F_PERMANENT:
            continue
        if one.is_link_local and one.cidr not in link_local.get(names[one.index], ()):
            continue
        addresses[one.index].append(one.cidr)
        # For IPv6 the same bit says "temporary".
        if one.flags & _IFA_F_SECONDARY and one.family == socket.AF_INET:
            secondary[one.index].append(one.cidr)
    routes = _routes(kernel)
    return {
        names[head[2]]: _link(
            head,
            found,
            names,
            addresses=tuple(sorted(addresses[head[2]])),
            secondary=tuple(secondary[head[2]]),
            routes=in_order(routes.get(head[2], ())),
        )
        for head, found in messages
    }


class Address(NamedTuple):
    """One of a link's, with its prefix length; ``flags`` are those of rtnetlink(7)."""

    index: int
    family: int
    cidr: str
    flags: int
    is_link_local: bool


def read_addresses(kernel: rtnetlink.Socket) -> Iterator[Address]:
    """Every address of every link, whoever gave it and for however long."""
    for message in rtnetlink.steady(lambda: kernel.dump(rtnetlink.GETADDR, IFADDRMSG.pack(0, 0, 0, 0, 0), {})):
        family, prefix, flags, scope, index = IFADDRMSG.unpack_from(message)
        if family in _INTERNET:
            found = decode(message, IFADDRMSG.size)
            cidr = f"{socket.inet_ntop(family, found.get(IFA_LOCAL) or found[IFA_ADDRESS])}/{prefix}"
            is_link_local = family == socket.AF_INET6 and scope == _RT_SCOPE_LINK
            yield Address(index, family, cidr, number(found.get(_IFA_FLAGS)) or flags, is_link_local)


def _ask_links(kernel: rtnetlink.Socket) -> list[bytes]:
    head = IFINFOMSG.pack(0, 0, 0, 0, 0)
    return kernel.dump(rtnetlink.GETLINK, head, {_IFLA_EXT_MASK: _RTEXT_FILTER_SKIP_STATS})


def _routes(kernel: rtnetlink.Socket) -> dict[int, list[Route]]:
    """Those of the main table that somebody made, by the link they lead to."""
    routes: dict[int, list[Route]] = {}
    for message in rtnetlink.steady(lambda: kernel.dump(rtnetlink.GETROUTE, bytes(_RTMSG.size), {})):
        head = _RTMSG.unpack_from(message)
        if head[5] not in ROUTE_PROTOCOLS or head[0] not in _INTERNET:
            continue
        found = decode(message, _RTMSG.size)
        if _RTA_OIF in found and (number(found.get(_RTA_TABLE)) or head[4]) == _RT_TABLE_MAIN:
            routes.setdefault(number(found[_RTA_OIF]), []).append(_route(head, found))
    return routes


def _route(head: tuple[int, ...], found: Mapping[int, bytes]) -> Route:
    family, length = head[:2]
    v6 = family == socket.AF_INET6
    dst = socket.inet_ntop(family, found[_RTA_DST]) if _RTA_DST in found else "::" if v6 else "0.0.0.0"
    metric = number(found.get(_RTA_PRIORITY)) or None
    if v6 and metric == _IPV6_DEFAULT_METRIC:
        metric = None
    gateway = socket.inet_ntop(family, found[_RTA_GATEWAY]) if _RTA_GATEWAY in found else None
    return Route(f"{dst}/{length}", gateway, metric, ROUTE_PROTOCOLS[head[5]])


def _link(head: tuple[int, ...], found: Mapping[int, bytes], names: Mapping[int, str], **more: Any) -> Link:
    _family, hardware, index, flags, _change = head
    info = decode(found[IFLA_LINKINFO]) if IFLA_LINKINFO in found else {}
    kind = text(info.get(IFLA_INFO_KIND)) or ""
    return Link(
        index=index,
        name=names[index],
        kind=kind,
        mac=found.get(IFLA_ADDRESS, b"").hex(":"),
        mtu=number(found[IFLA_MTU]),
        up=bool(flags & IFF_UP),
        carrier=bool(number(found.get(_IFLA_CARRIER))),
        alias=text(found.get(IFLA_IFALIAS)),
        master=names.get(number(found.get(IFLA_MASTER))),
        hardware=_HARDWARE.get(hardware, "other"),
        isolated=_is_isolated(info),
        info=_INFO[kind](found, decode(info.get(IFLA_INFO_DATA, b""))) if kind in _INFO else {},
        **more,
    )


def _is_isolated(info: Mapping[int, bytes]) -> bool | None:
    """``None`` for what is no port of a bridge."""
    if text(info.get(_IFLA_INFO_SLAVE_KIND)) != "bridge":
        return None
    return bool(number(decode(info.get(_IFLA_INFO_SLAVE_DATA, b"")).get(_IFLA_BRPORT_ISOLATED)))


def _bridge_info(_found: Mapping[int, bytes], data: Mapping[int, bytes]) -> dict[str, Any]:
    info = {}
    for name, (attribute, _word, scale) in BRIDGE_OPTIONS.items():
        value = number(data[IFLA_BR[attribute][0]])
        info[name] = bool(value) if name in ("stp", "vlan_filtering") else value // scale
    return info


def _tun_info(_found: Mapping[int, bytes], data: Mapping[int, bytes]) -> dict[str, Any]:
    return {
        "mode": "tap" if number(data.get(_IFLA_TUN_TYPE)) == tuntap.IFF_TAP else "tun",
        "owner": number(data.get(_IFLA_TUN_OWNER)),
        "group": number(data.get(_IFLA_TUN_GROUP)),
        "multi_queue": bool(number(data.get(_IFLA_TUN_MULTI_QUEUE))),
        "vnet_hdr": bool(number(data.get(_IFLA_TUN_VNET_HDR))),
    }


def _veth_info(found: Mapping[int, bytes], _data: Mapping[int, bytes]) -> dict[str, Any]:
    """The index of the other end, and the id its namespace has here (None: it is in the same one)."""
    return {"peer_index": number(found.get(IFLA_LINK)), "peer_nsid": number(found.get(_IFLA_LINK_NETNSID))}


_INFO = {"bridge": _bridge_info, "tun": _tun_info, "veth": _veth_info}
