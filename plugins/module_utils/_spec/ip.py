# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps that change links, each with the ip(8) line that does the same. Pure."""

from __future__ import annotations

import shlex
from typing import Any

from .address import ip_version
from .base import MARK, Step
from .world import Route


def _line(*words: Any) -> str:
    """What a person would type, safe for a shell whatever the names are."""
    return shlex.join(str(word) for word in words)


def _ip(netns: str | None, *words: Any, family: int | None = None) -> str:
    return _line("ip", *(["-n", netns] if netns else []), *(["-6"] if family == 6 else []), *words)


def netns_add(name: str) -> Step:
    return Step("netns_add", {"name": name}, _ip(None, "netns", "add", name))


def netns_del(name: str) -> Step:
    return Step("netns_del", {"name": name}, _ip(None, "netns", "delete", name))


def setting(family: str, interface: str, key: str) -> str:
    """The name of an interface's sysctl. In it '.' parts the words; that of a name is written as '/' (sysctl(8))."""
    return f"net.{family}.conf.{interface.replace('.', '/')}.{key}"


def sysctl_set(netns: str | None, key: str, value: str) -> Step:
    inside = ["ip", "netns", "exec", netns] if netns else []
    line = _line(*inside, "sysctl", "-w", f"{key}={value}")
    return Step("sysctl_set", {"netns": netns, "key": key, "value": value}, line)


#: Bridge options: ours -> (netlink attribute of IFLA_INFO_DATA, ip-link(8) word, units of the kernel in one of ours).
BRIDGE_OPTIONS = {
    "stp": ("br_stp_state", "stp_state", 1),
    "forward_delay": ("br_forward_delay", "forward_delay", 100),
    "ageing_time": ("br_ageing_time", "ageing_time", 100),
    "vlan_filtering": ("br_vlan_filtering", "vlan_filtering", 1),
}


def _bridge_options(options: dict[str, Any]) -> tuple[dict[str, int], list[Any]]:
    attributes, words = {}, []
    for name, value in options.items():
        attribute, word, scale = BRIDGE_OPTIONS[name]
        attributes[attribute] = int(value) * scale
        words += [word, int(value) * scale]
    return attributes, words


def bridge_add(netns: str | None, name: str, mac: str | None, options: dict[str, Any]) -> Step:
    """With its MAC address: a link that was made without gets one from udev, at its leisure (systemd.link(5))."""
    attributes, words = _bridge_options(options)
    line = _ip(netns, "link", "add", "dev", name, *_born_with(mac), "type", "bridge", *words)
    born = {"address": mac} if mac else {}
    return Step("link_add", {"netns": netns, "name": name, "kind": "bridge", **born, **attributes}, line)


def _born_with(mac: str | None) -> list[str]:
    return ["address", mac] if mac else []


def bridge_set(netns: str | None, name: str, options: dict[str, Any]) -> Step:
    attributes, words = _bridge_options(options)
    return _link_set(netns, name, "type", "bridge", *words, kind="bridge", **attributes)


def tap_add(netns: str | None, name: str, owner: int | None, group: int | None, flags: tuple[str, ...]) -> Step:
    """A persistent tap; `flags` of ip-tuntap(8): multi_queue, vnet_hdr."""
    words = ["tuntap", "add", "dev", name, "mode", "tap"]
    if owner is not None:
        words += ["user", owner]
    if group is not None:
        words += ["group", group]
    args = {"netns": netns, "name": name, "owner": owner, "group": group, "flags": flags}
    return Step("tap_set", args, _ip(netns, *words, *flags))


def _to_netns(netns: str | None, to_netns: str | None) -> list[str]:
    """The words that send a link from one namespace to another; 1 is the process whose namespace is the host's."""
    return ["netns", to_netns or "1"] if to_netns != netns else []


def veth_add(near: tuple[str | None, str], peer: tuple[str | None, str], macs: tuple[str | None, str | None]) -> Step:
    """Both ends in one message, each born in its namespace under its final name and with its MAC address."""
    words = ["link", "add", "dev", near[1], *_born_with(macs[0]), "type", "veth", "peer", "name", peer[1]]
    words += [*_born_with(macs[1]), *_to_netns(near[0], peer[0])]
    args = {"netns": near[0], "name": near[1], "peer_netns": peer[0], "peer_name": peer[1], "macs": macs}
    return Step("veth_add", args, _ip(near[0], *words))


def link_del(netns: str | None, name: str) -> Step:
    return Step("link_del", {"netns": netns, "name": name}, _ip(netns, "link", "delete", "dev", name))


def link_move(netns: str | None, name: str, to_netns: str | None, to_name: str) -> Step:
    """Into another namespace and under another name in one go."""
    words = ["link", "set", "dev", name, *_to_netns(netns, to_netns), "name", to_name]
    args = {"netns": netns, "name": name, "to_netns": to_netns, "to_name": to_name}
    return Step("link_move", args, _ip(netns, *words))


def _link_set(netns: str | None, name: str, *words: Any, **attributes: Any) -> Step:
    # "dev", since ip(8) would take a bridge called "br" for the word "broadcast".
    line = _ip(netns, "link", "set", "dev", name, *words)
    return Step("link_set", {"netns": netns, "name": name, **attributes}, line)


def set_up(netns: str | None, name: str, up: bool) -> Step:
    state = "up" if up else "down"
    return _link_set(netns, name, state, state=state)


def set_mac(netns: str | None, name: str, mac: str) -> Step:
    return _link_set(netns, name, "address", mac, address=mac)


def set_mtu(netns: str | None, name: str, mtu: int) -> Step:
    return _link_set(netns, name, "mtu", mtu, mtu=mtu)


def set_alias(netns: str | None, name: str, alias: str = MARK) -> Step:
    return _link_set(netns, name, "alias", alias, ifalias=alias)


def set_master(netns: str | None, name: str, master: str | None, up: bool = False) -> Step:
    """``up`` in the same message, so that no killed run leaves a port that is down."""
    words = [*(["master", master] if master else ["nomaster"]), *(["up"] if up else [])]
    args = {"netns": netns, "name": name, "master": master, "up": up}
    return Step("master_set", args, _ip(netns, "link", "set", "dev", name, *words))


def set_isolated(netns: str | None, name: str, isolated: bool) -> Step:
    inside = ["-n", netns] if netns else []
    line = _line("bridge", *inside, "link", "set", "dev", name, "isolated", "on" if isolated else "off")
    return Step("isolated_set", {"netns": netns, "name": name, "isolated": isolated}, line)


def address_add(netns: str | None, name: str, address: str, verb: str = "add") -> Step:
    """IPv6 without duplicate address detection: a bridge with no port yet would stay tentative for ever.

    ``verb`` is "replace" for an address that may be there already.
    """
    nodad = ["nodad"] if ip_version(address) == 6 else []
    args = {"netns": netns, "name": name, "address": address}
    return Step("address_add", args, _ip(netns, "address", verb, address, "dev", name, *nodad))


def address_del(netns: str | None, name: str, address: str) -> Step:
    args = {"netns": netns, "name": name, "address": address}
    return Step("address_del", args, _ip(netns, "address", "delete", address, "dev", name))


def _route(op: str, verb: str, netns: str | None, name: str, route: Route) -> Step:
    words = ["route", verb, "default" if route.dst in ("0.0.0.0/0", "::/0") else route.dst]
    if route.gateway:
        words += ["via", route.gateway]
    words += ["dev", name]
    if route.metric:
        words += ["metric", route.metric]
    if verb != "delete":
        words += ["proto", route.protocol]
    args = {"netns": netns, "name": name, "route": route}
    return Step(op, args, _ip(netns, *words, family=ip_version(route.dst)))


def route_add(netns: str | None, name: str, route: Route, verb: str = "add") -> Step:
    """``verb`` is "replace" for a route that may be there already."""
    return _route(f"route_{verb}", verb, netns, name, route)


def route_del(netns: str | None, name: str, route: Route) -> Step:
    return _route("route_del", "delete", netns, name, route)
