# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What rtnetlink(7) is sent for a change of a link: type, flags, head and attributes of the message."""

from __future__ import annotations

import socket
import sys
from typing import Any

from . import rtnetlink
from .links import (
    IFA_ADDRESS,
    IFA_LOCAL,
    IFADDRMSG,
    IFF_UP,
    IFINFOMSG,
    IFLA_ADDRESS,
    IFLA_BR,
    IFLA_GROUP,
    IFLA_IFALIAS,
    IFLA_IFNAME,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    IFLA_MASTER,
    IFLA_MTU,
)

_IFA_F_NODAD = 0x02

Message = tuple[int, int, bytes, dict[int, Any]]


def add(name: str, **attributes: Any) -> Message:
    head, found = _link(0, attributes)
    return rtnetlink.NEWLINK, rtnetlink.CREATE | rtnetlink.EXCL, head, {IFLA_IFNAME: name, **found}


def change(index: int, **attributes: Any) -> Message:
    return rtnetlink.NEWLINK, 0, *_link(index, attributes)


def delete(index: int) -> Message:
    return rtnetlink.DELLINK, 0, *_link(index, {})


def delete_group(group: int) -> Message:
    head, _found = _link(0, {})
    return rtnetlink.DELLINK, 0, head, {IFLA_GROUP: group}


def address_add(index: int, address: str) -> Message:
    """Replaced, not added: an address that is already there is what was wanted.

    IPv6 without duplicate address detection: a bridge with no port yet would stay tentative for ever.
    """
    flags = _IFA_F_NODAD if ":" in address else 0
    return rtnetlink.NEWADDR, rtnetlink.CREATE | rtnetlink.REPLACE, *_address(index, address, flags)


def address_delete(index: int, address: str) -> Message:
    return rtnetlink.DELADDR, 0, *_address(index, address, 0)


def _link(index: int, attributes: dict[str, Any]) -> tuple[bytes, dict[int, Any]]:
    """``state`` up or down; ``address``; ``mtu``; ``ifalias``; ``group``; ``master`` by index; ``kind`` and options."""
    given = dict(attributes)
    state = given.pop("state", None)
    head = IFINFOMSG.pack(socket.AF_UNSPEC, 0, index, IFF_UP if state == "up" else 0, IFF_UP if state else 0)
    found: dict[int, Any] = {}
    if "address" in given:
        found[IFLA_ADDRESS] = bytes.fromhex(given.pop("address").replace(":", ""))
    for option, attribute in (("mtu", IFLA_MTU), ("group", IFLA_GROUP), ("master", IFLA_MASTER)):
        if option in given:
            found[attribute] = given.pop(option)
    if "ifalias" in given:
        # Without the NUL of other texts: an empty one takes the alias away.
        found[IFLA_IFALIAS] = given.pop("ifalias").encode()
    if "kind" in given:
        info: dict[int, Any] = {IFLA_INFO_KIND: given.pop("kind")}
        data = {IFLA_BR[option][0]: _sized(option, value) for option, value in given.items()}
        found[IFLA_LINKINFO] = {**info, IFLA_INFO_DATA: data} if data else info
    return head, found


def _sized(option: str, value: int) -> bytes:
    return value.to_bytes(IFLA_BR[option][1], sys.byteorder)


def _address(index: int, address: str, flags: int) -> tuple[bytes, dict[int, Any]]:
    ip, prefix = address.split("/")
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    packed = socket.inet_pton(family, ip)
    head = IFADDRMSG.pack(family, int(prefix), flags, 0, index)
    return head, {IFA_LOCAL: packed, IFA_ADDRESS: packed}
