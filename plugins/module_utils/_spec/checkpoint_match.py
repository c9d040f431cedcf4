# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which interface of now is which of a checkpoint. Pure.

A state is what `_host/checkpoint_state.py` reads; an interface in it is what ``ip -details -json address`` says of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Link = Mapping[str, Any]
State = Mapping[str, Any]

#: What is fixed when an interface is made; one that differs there is another.
_FIXED = {
    "vlan": ("protocol", "id"),
    "vxlan": ("id", "group", "group6", "remote", "remote6", "local", "local6", "port"),
    "tun": ("type", "multi_queue", "persist"),
    "macvlan": (),
    "macvtap": (),
    "ipvlan": (),
    "vrf": ("table",),
}
#: Those of them whose lower interface is fixed too.
_UPON = ("vlan", "macvlan", "macvtap", "ipvlan")


def kind(link: Link) -> str | None:
    """``None`` for a device."""
    return link.get("linkinfo", {}).get("info_kind")


def data(link: Link) -> Mapping[str, Any]:
    return link.get("linkinfo", {}).get("info_data", {})


def by_name(links: list[Link]) -> dict[str, Link]:
    return {link["ifname"]: link for link in links}


def matched(saved: State, links: list[Link], boot: str) -> dict[str, Link]:
    """The interface of now, out of `links`, by the name that it had then.

    Within one boot an interface keeps its index whatever it is called; one that was made anew has only its name.
    """
    found: dict[str, Link] = {}
    taken: set[str] = set()
    for attribute in ("ifindex", "ifname") if saved["boot"] == boot else ("ifname",):
        now = {link[attribute]: link for link in links if link["ifname"] not in taken}
        for link in saved["links"]:
            other = now.get(link[attribute])
            if link["ifname"] not in found and other is not None and _alike(link, other):
                found[link["ifname"]] = other
                taken.add(other["ifname"])
    return found


def _alike(link: Link, other: Link) -> bool:
    if kind(link) != kind(other):
        return False
    if kind(link) in _UPON and link.get("link") != other.get("link") and "link" in link and "link" in other:
        return False
    return all(data(link).get(name) == data(other).get(name) for name in _FIXED.get(kind(link) or "", ()))
