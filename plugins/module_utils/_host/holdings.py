# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an interface holds: read from ip(8), whose JSON has every attribute of addresses and routes, whatever pyroute2's
version knows of them."""

from __future__ import annotations

import ipaddress
import json
import os
from pathlib import Path
from typing import Any

from .._spec.holding import HeldAddress, HeldRoute, Holding
from . import command, namespace

_FLAGS = ("noprefixroute", "mngtmpaddr", "home", "nodad")
_FOREVER = 4294967295
#: RTF_ADDRCONF of <linux/ipv6_route.h>: made by the kernel from a router advertisement. Netlink does not tell it.
_RTF_ADDRCONF = 0x00040000
#: Options of a route that are one word and a value, and are taken as they are told.
_OPTIONS = {"scope": "scope", "prefsrc": "src", "pref": "pref"}
#: The same of what tells routes to one destination apart.
_SELECTORS = {"tos": "tos", "from": "from"}
_METRICS = ("mtu", "advmss", "window", "initcwnd", "initrwnd", "hoplimit", "quickack", "reordering", "cwnd", "ssthresh")
#: What the kernel tells about a route, but nobody gave it.
_TOLD = {"cache", "users", "age", "used", "error", "cacheinfo"}
_KNOWN = {"type", "dst", "gateway", "via", "dev", "table", "protocol", "metric", "flags", "metrics", "expires"}


def read(netns: str | None, names: list[str]) -> dict[str, Holding]:
    """The holdings of the interfaces `names`, all of which are there."""
    infos = {link["ifname"]: link.get("addr_info", []) for link in _ip(netns, "address", "show")}
    routes = [
        (version, route) for version in (4, 6) for route in _ip(netns, f"-{version}", "route", "show", "table", "all")
    ]
    learned = _learned(netns)
    return {name: _holding(name, infos.get(name, []), routes, learned) for name in names}


def _learned(netns: str | None) -> set[tuple[Any, ...]]:
    """What the kernel made from router advertisements: network, gateway, metric and interface of each."""
    table = Path("/proc/thread-self/net/ipv6_route")
    with namespace.entered(netns):
        lines = table.read_bytes().splitlines() if table.exists() else []
    found = set()
    for line in lines:
        dst, length, _src, _length, gateway, metric, _count, _used, flags, name = line.split()
        if int(flags, 16) & _RTF_ADDRCONF:
            network = ipaddress.IPv6Network((int(dst, 16), int(length, 16)))
            found.add((network, ipaddress.IPv6Address(int(gateway, 16)), int(metric, 16), os.fsdecode(name)))
    return found


def _is_learned(version: int, route: dict[str, Any], learned: set[tuple[Any, ...]]) -> bool:
    if version == 4 or not learned:
        return False
    network = ipaddress.ip_network(_dst(version, route["dst"]), strict=False)
    gateway = ipaddress.IPv6Address(route.get("gateway", "::"))
    return (network, gateway, route.get("metric", 0), route["dev"]) in learned


def _ip(netns: str | None, *words: str) -> list[dict[str, Any]]:
    text = command.run(["ip", *(["-n", netns] if netns else []), "-d", "-j", *words])
    # Where IPv6 is off, there is no text at all; an interface of another kind is an empty object.
    return [entry for entry in json.loads(text or "[]") if entry]


def _holding(
    name: str,
    infos: list[dict[str, Any]],
    routes: list[tuple[int, dict[str, Any]]],
    learned: set[tuple[Any, ...]],
) -> Holding:
    found, unmovable = [], []
    for version, route in routes:
        for hop in _hops(version, route):
            if hop.get("dev") != name or _is_of_the_kernel(version, hop, infos):
                continue
            if _is_plain(version, hop):
                found.append(_route(version, hop, _is_learned(version, hop, learned)))
            else:
                unmovable.append(_text(route))
    held = [_address(name, info) for info in infos if not (info["family"] == "inet6" and info["scope"] == "link")]
    return Holding(tuple(held), tuple(dict.fromkeys(found)), tuple(unmovable))


def _hops(version: int, route: dict[str, Any]) -> list[dict[str, Any]]:
    """A route of several next hops as one for each. IPv6 keeps them so; of IPv4 they are parts of one route."""
    several = route.get("nexthops")
    if several is None:
        return [route]
    base = {key: value for key, value in route.items() if key != "nexthops"}
    part_of = {} if version == 6 else {"nexthops": True}
    weights = [{"weight": hop["weight"]} if hop.get("weight", 1) != 1 else {} for hop in several]
    told = [{key: value for key, value in hop.items() if key != "weight"} for hop in several]
    return [{**base, **hop, **weight, **part_of} for hop, weight in zip(told, weights)]


def _is_of_the_kernel(version: int, route: dict[str, Any], infos: list[dict[str, Any]]) -> bool:
    """What comes and goes with the interface and its addresses."""
    if route.get("table") == "local" or route.get("protocol") == "redirect" or route.get("type") == "multicast":
        return True
    if version == 6 and ipaddress.ip_network(_dst(version, route["dst"]), strict=False).is_link_local:
        return True
    if route.get("protocol") != "kernel" or (version == 6 and route.get("expires") is not None):
        return False
    # Who gives an address without its route (NetworkManager) makes one that says it is the kernel's.
    network = ipaddress.ip_network(_dst(version, route["dst"]), strict=False)
    return any(network == _network(info) for info in infos if not info.get("noprefixroute"))


def _dst(version: int, dst: str) -> str:
    return {4: "0.0.0.0/0", 6: "::/0"}[version] if dst == "default" else dst


def _network(info: dict[str, Any]) -> Any:
    return ipaddress.ip_network(f"{info.get('address', info['local'])}/{info['prefixlen']}", strict=False)


def _address(name: str, info: dict[str, Any]) -> HeldAddress:
    label = info.get("label", name)
    return HeldAddress(
        address=f"{info['local']}/{info['prefixlen']}",
        peer=f"{info['address']}/{info['prefixlen']}" if "address" in info else None,
        broadcast=info.get("broadcast"),
        scope=info["scope"],
        label=label[len(name) + 1 :] if label.startswith(f"{name}:") else None,
        metric=info.get("metric"),
        flags=tuple(flag for flag in _FLAGS if info.get(flag)),
        valid=_seconds(info["valid_life_time"]),
        preferred=_seconds(info["preferred_life_time"]),
    )


def _seconds(value: int) -> int | None:
    return None if value == _FOREVER else value


def _is_plain(version: int, route: dict[str, Any]) -> bool:
    """Whether all that the route has can be given to ip(8) as it was told."""
    metrics = [name for part in route.get("metrics", ()) for name in part]
    return (
        set(route) <= {*_KNOWN, *_TOLD, *_OPTIONS, *_SELECTORS}
        and route.get("type", "unicast") == "unicast"
        and all(name in _METRICS for name in metrics)
    )


def _route(version: int, route: dict[str, Any], learned: bool) -> HeldRoute:
    options: list[str] = []
    for key, word in _OPTIONS.items():
        # The scope of an IPv6 route is always the same, and not taken.
        if key in route and (version, key) != (6, "scope"):
            options += [word, str(route[key])]
    if "onlink" in route.get("flags", ()):
        options.append("onlink")
    for part in route.get("metrics", ()):
        for name, value in part.items():
            options += [name, str(value)]
    return HeldRoute(
        dst=route["dst"],
        version=version,
        via=_via(route),
        table=str(route.get("table", "main")),
        metric=route.get("metric"),
        protocol=str(route.get("protocol", "boot")),
        selector=tuple(text for key, word in _SELECTORS.items() if key in route for text in (word, str(route[key]))),
        options=tuple(options),
        expires=route.get("expires"),
        learned=learned,
    )


def _via(route: dict[str, Any]) -> tuple[str, ...]:
    if "via" in route:
        return "via", route["via"]["family"], route["via"]["host"]
    return ("via", route["gateway"]) if "gateway" in route else ()


def _text(route: dict[str, Any]) -> str:
    return " ".join(str(word) for word in (route["dst"], "table", route.get("table", "main")))
