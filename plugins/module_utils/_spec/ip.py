# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps that change links, each with the ip(8) line that does the same. Pure."""

from __future__ import annotations

from typing import Any

from .address import ip_version
from .base import MARK, Step
from .world import Route


def _ip(netns: str | None, *words: Any, family: int | None = None) -> str:
    start = ["ip"]
    if netns:
        start += ["-n", netns]
    if family == 6:
        start.append("-6")
    return " ".join([*start, *(str(w) for w in words)])


def _onoff(value: bool) -> str:
    return "on" if value else "off"


def netns_add(name: str) -> Step:
    return Step("netns_add", {"name": name}, f"ip netns add {name}")


def netns_del(name: str) -> Step:
    return Step("netns_del", {"name": name}, f"ip netns delete {name}")


def sysctl_set(netns: str | None, key: str, value: str) -> Step:
    line = f"sysctl -w {key}={value}"
    return Step("sysctl_set", {"netns": netns, "key": key, "value": value}, f"ip netns exec {netns} {line}" if netns else line)


#: Bridge options: ours -> (netlink attribute of IFLA_INFO_DATA, ip-link(8) word, units of the kernel in one of ours).
BRIDGE_OPTIONS = {
    "stp": ("br_stp_state", "stp_state", 1),
    "forward_delay": ("br_forward_delay", "forward_delay", 100),
    "ageing_time": ("br_ageing_time", "ageing_time", 100),
    "vlan_filtering": ("br_vlan_filtering", "vlan_filtering", 1),
}


def _bridge_options(options: dict[str, Any]) -> tuple[dict[str, int], str]:
    attributes, words = {}, []
    for name, value in options.items():
        attribute, word, scale = BRIDGE_OPTIONS[name]
        attributes[attribute] = int(value) * scale
        words.append(f"{word} {int(value) * scale}")
    return attributes, " ".join(words)


def bridge_add(netns: str | None, name: str, options: dict[str, Any]) -> Step:
    attributes, words = _bridge_options(options)
    line = _ip(netns, "link add", name, "type bridge", words).rstrip()
    return Step("link_add", {"netns": netns, "name": name, "kind": "bridge", **attributes}, line)


def bridge_set(netns: str | None, name: str, options: dict[str, Any]) -> Step:
    attributes, words = _bridge_options(options)
    line = _ip(netns, "link set", name, "type bridge", words)
    return Step("link_set", {"netns": netns, "name": name, "kind": "bridge", **attributes}, line)


def tap_add(netns: str | None, name: str, owner: int | None, group: int | None, flags: tuple[str, ...]) -> Step:
    """A persistent tap; `flags` of ip-tuntap(8): multi_queue, vnet_hdr."""
    words = ["tuntap add", name, "mode tap"]
    if owner is not None:
        words.append(f"user {owner}")
    if group is not None:
        words.append(f"group {group}")
    args = {"netns": netns, "name": name, "owner": owner, "group": group, "flags": flags}
    return Step("tap_set", args, _ip(netns, *words, *flags))


def veth_add(netns: str | None, name: str, peer_netns: str | None, peer_name: str) -> Step:
    """Both ends in one message, each born in its namespace under its final name."""
    there = f"netns {peer_netns} " if peer_netns else ""
    line = _ip(netns, "link add", name, f"type veth peer name {peer_name} {there}".rstrip())
    args = {"netns": netns, "name": name, "peer_netns": peer_netns, "peer_name": peer_name}
    return Step("veth_add", args, line)


def link_del(netns: str | None, name: str) -> Step:
    return Step("link_del", {"netns": netns, "name": name}, _ip(netns, "link delete", name))


def link_move(netns: str | None, name: str, to_netns: str | None, to_name: str) -> Step:
    """Into another namespace and under another name in one go."""
    target = f" netns {to_netns or 1}" if to_netns != netns else ""
    args = {"netns": netns, "name": name, "to_netns": to_netns, "to_name": to_name}
    return Step("link_move", args, _ip(netns, "link set", name) + f"{target} name {to_name}")


def _link_set(netns: str | None, name: str, words: str, **attributes: Any) -> Step:
    return Step("link_set", {"netns": netns, "name": name, **attributes}, _ip(netns, "link set", name, words))


def set_up(netns: str | None, name: str, up: bool) -> Step:
    state = "up" if up else "down"
    return _link_set(netns, name, state, state=state)


def set_mac(netns: str | None, name: str, mac: str) -> Step:
    return _link_set(netns, name, f"address {mac}", address=mac)


def set_mtu(netns: str | None, name: str, mtu: int) -> Step:
    return _link_set(netns, name, f"mtu {mtu}", mtu=mtu)


def set_alias(netns: str | None, name: str, alias: str = MARK) -> Step:
    return _link_set(netns, name, f"alias '{alias}'", ifalias=alias)


def set_master(netns: str | None, name: str, master: str | None) -> Step:
    args = {"netns": netns, "name": name, "master": master}
    return Step("master_set", args, _ip(netns, "link set", name, f"master {master}" if master else "nomaster"))


def set_isolated(netns: str | None, name: str, isolated: bool) -> Step:
    line = f"bridge {f'-n {netns} ' if netns else ''}link set dev {name} isolated {_onoff(isolated)}"
    return Step("isolated_set", {"netns": netns, "name": name, "isolated": isolated}, line)


def address_add(netns: str | None, name: str, address: str) -> Step:
    """IPv6 without duplicate address detection: a bridge with no port yet would stay tentative for ever."""
    nodad = " nodad" if ip_version(address) == 6 else ""
    args = {"netns": netns, "name": name, "address": address}
    return Step("address_add", args, _ip(netns, "address add", address, f"dev {name}{nodad}"))


def address_del(netns: str | None, name: str, address: str) -> Step:
    args = {"netns": netns, "name": name, "address": address}
    return Step("address_del", args, _ip(netns, "address delete", address, "dev", name))


def _route(op: str, verb: str, netns: str | None, name: str, route: Route) -> Step:
    words = ["route", verb, "default" if route.dst in ("0.0.0.0/0", "::/0") else route.dst]
    if route.gateway:
        words.append(f"via {route.gateway}")
    words.append(f"dev {name}")
    if route.metric:
        words.append(f"metric {route.metric}")
    family = ip_version(route.dst)
    args = {"netns": netns, "name": name, "route": route}
    return Step(op, args, _ip(netns, *words, family=family))


def route_add(netns: str | None, name: str, route: Route) -> Step:
    return _route("route_add", "add", netns, name, route)


def route_del(netns: str | None, name: str, route: Route) -> Step:
    return _route("route_del", "delete", netns, name, route)


def difference(before: tuple | None, after: tuple | None, remove: Any, add: Any) -> list[Step]:
    """The steps from one set of things to another; `remove` and `add` make the step of one of them."""
    old, new = before or (), after or ()
    return [remove(x) for x in old if x not in new] + [add(x) for x in new if x not in old]
