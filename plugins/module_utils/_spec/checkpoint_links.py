# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings back interfaces and namespaces as a checkpoint saved them. Pure."""

from __future__ import annotations

from typing import Any

from .base import Step
from .checkpoint import impossible, ip
from .checkpoint_match import Link, State, by_name, data, kind, matched

#: Words of ip-link(8) for each kind, that take what ip tells under the same name.
_OPTIONS: dict[str, tuple[str, ...]] = {
    "bridge": (
        *("forward_delay", "hello_time", "max_age", "ageing_time", "stp_state", "priority", "vlan_filtering"),
        *("vlan_protocol", "vlan_default_pvid", "group_fwd_mask", "mcast_snooping", "mcast_querier", "mcast_router"),
        *("no_linklocal_learn", "nf_call_iptables", "nf_call_ip6tables", "nf_call_arptables"),
    ),
    "bond": ("mode", "miimon", "updelay", "downdelay", "xmit_hash_policy", "lacp_rate", "ad_select"),
    "dummy": (),
    "ipvlan": ("mode",),
    "macvlan": ("mode",),
    "macvtap": ("mode",),
    "veth": (),
    "vlan": ("protocol", "id"),
    "vrf": ("table",),
    "vxlan": ("id", "group", "remote", "local", "ttl", "ageing"),
}
_UPON = ("vlan", "macvlan", "macvtap", "ipvlan")
#: Kinds that are made without, for a kernel may not take all of what it tells.
_SET_LATER = ("bridge",)
#: The same of a bridge's port.
_PORT_NUMBERS = ("priority", "cost")
_PORT_SWITCHES = (
    *("hairpin", "guard", "root_block", "fastleave", "learning", "flood", "mcast_flood", "bcast_flood", "isolated"),
    *("neigh_suppress", "proxy_arp"),
)
_FLAGS = (("PROMISC", "promisc"), ("ALLMULTI", "allmulticast"), ("MULTICAST", "multicast"))


def placed(saved: State, seen: State) -> list[Step]:
    """What was taken elsewhere is fetched, and what came since goes."""
    there = matched(saved, seen["links"], seen["boot"])
    return [*_fetched(saved, seen, there), *_deleted(saved, seen, there), *_spaces(saved, seen)]


def _fetched(saved: State, seen: State, there: dict[str, Link]) -> list[Step]:
    """Those that are in a namespace now."""
    steps = []
    missing = {**saved, "links": [link for link in saved["links"] if link["ifname"] not in there]}
    for netns, links in seen["namespaces"].items():
        others = [link for link in links if not _was_in(saved, netns, link)]
        for found in matched(missing, others, seen["boot"]).values():
            if found["ifname"] != "lo":
                steps.append(ip("-n", netns, "link", "set", "dev", found["ifname"], "netns", seen["pid"]))
    return steps


def _was_in(saved: State, netns: str, link: Link) -> bool:
    known = saved["namespaces"].get(netns, ())
    return any((link["ifindex"], link["ifname"]) == (other["ifindex"], other["ifname"]) for other in known)


def _deleted(saved: State, seen: State, there: dict[str, Link]) -> list[Step]:
    known = {link["ifname"] for link in there.values()}
    names: list[str] = []
    # What lies upon another came after it.
    for link in sorted(seen["links"], key=lambda link: -link["ifindex"]):
        # A device cannot be deleted; the other end of a veth goes along.
        with_peer = kind(link) == "veth" and link.get("link") in names
        if kind(link) and link["ifname"] not in known and not with_peer:
            names.append(link["ifname"])
    return [ip("link", "delete", "dev", name) for name in names]


def _spaces(saved: State, seen: State) -> list[Step]:
    gone = [name for name in seen["namespaces"] if name not in saved["namespaces"]]
    missing = [name for name in saved["namespaces"] if name not in seen["namespaces"]]
    return [ip("netns", "delete", name) for name in gone] + [ip("netns", "add", name) for name in missing]


def renamed(saved: State, seen: State) -> list[Step]:
    there = matched(saved, seen["links"], seen["boot"])
    wrong = {name: link for name, link in there.items() if link["ifname"] != name}
    # By way of names that nobody has: two may have changed places.
    away = [(f"vn-back{link['ifindex']}", link["ifname"], name) for name, link in wrong.items()]
    down = [ip("link", "set", "dev", old, "down") for _new, old, _name in away]
    first = [ip("link", "set", "dev", old, "name", new) for new, old, _name in away]
    return [*down, *first, *(ip("link", "set", "dev", new, "name", name) for new, _old, name in away)]


def made(saved: State, seen: State) -> list[Step]:
    """What is gone is made again, the lower ones first."""
    there = matched(saved, seen["links"], seen["boot"])
    indexes = {link["ifindex"] for link in seen["links"]} if saved["boot"] == seen["boot"] else None
    steps: list[Step] = []
    done: set[str] = set()
    for link in sorted(saved["links"], key=lambda link: link["ifindex"]):
        if link["ifname"] not in there and link["ifname"] not in done:
            done |= {link["ifname"], link.get("link", "")}
            steps.append(_added(saved, link, indexes))
    return steps


def _added(saved: State, link: Link, indexes: set[int] | None) -> Step:
    name, what = link["ifname"], kind(link)
    if what == "tun":
        return ip(*_tuntap(link))
    if what not in _OPTIONS:
        return impossible(f"'{name}' is gone, and {what or 'a device'} cannot be made again")
    words: list[Any] = ["link", "add", "name", name, *_index(link, indexes)]
    if what in _UPON:
        words += ["link", link.get("link", "")]
    if link.get("address") and what != "vlan":
        words += ["address", link["address"]]
    words += ["type", what]
    if what == "veth":
        peer = _peer(saved, link, indexes)
        if peer is None:
            return impossible(f"'{name}' is gone, and where its other end was is not known")
        return ip(*words, "peer", *peer)
    return ip(*words, *(() if what in _SET_LATER else (word for pair in _told(link).items() for word in pair)))


def _index(link: Link, indexes: set[int] | None) -> list[Any]:
    return [] if indexes is None or link["ifindex"] in indexes else ["index", link["ifindex"]]


def _tuntap(link: Link) -> list[str]:
    told = data(link)
    words = ["tuntap", "add", "dev", link["ifname"], "mode", told["type"]]
    words += [word for key in ("user", "group") if key in told for word in (key, str(told[key]))]
    return words + [word for word in ("vnet_hdr", "multi_queue", "pi") if told.get(word)]


def _peer(saved: State, link: Link, indexes: set[int] | None) -> list[Any] | None:
    peer = by_name(saved["links"]).get(link.get("link", ""))
    if peer is not None:
        return ["name", peer["ifname"], *_index(peer, indexes), "address", peer["address"]]
    names = [name for name, number in saved["namespace_ids"].items() if number == link.get("link_netnsid")]
    for netns in names:
        for other in saved["namespaces"].get(netns, ()):
            if other["ifindex"] == link.get("link_index"):
                return ["name", other["ifname"], "netns", netns]
    return None


def _told(link: Link) -> dict[str, Any]:
    return {name: data(link)[name] for name in _OPTIONS.get(kind(link) or "", ()) if name in data(link)}


def joined(saved: State, seen: State) -> list[Step]:
    """Each is a port of what it was a port of."""
    now = by_name(seen["links"])
    steps = []
    for link in saved["links"]:
        name, master = link["ifname"], link.get("master")
        if name in now and now[name].get("master") != master:
            steps.append(ip("link", "set", "dev", name, *(["master", master] if master else ["nomaster"])))
    return steps


def set_up(saved: State, seen: State) -> list[Step]:
    """Their own settings; that they are up comes last."""
    now = by_name(seen["links"])
    return [
        ip("link", "set", "dev", link["ifname"], *words)
        for link in sorted(saved["links"], key=lambda link: link["ifindex"])
        if link["ifname"] in now
        for words in _settings(link, now[link["ifname"]])
    ]


def _settings(link: Link, now: Link) -> list[list[Any]]:
    found: list[list[Any]] = []
    for key, word in (("address", "address"), ("mtu", "mtu"), ("txqlen", "txqlen")):
        if key in link and link[key] != now.get(key):
            found.append([word, link[key]])
    if link.get("ifalias", "") != now.get("ifalias", ""):
        found.append(["alias", link.get("ifalias", "")])
    changed = {name: value for name, value in _told(link).items() if value != data(now).get(name)}
    found += [["type", kind(link), *pair] for pair in changed.items()]
    found += _port_settings(link, now)
    for flag, word in _FLAGS:
        if (flag in link["flags"]) != (flag in now["flags"]):
            found.append([word, "on" if flag in link["flags"] else "off"])
    if ("NOARP" in link["flags"]) != ("NOARP" in now["flags"]):
        found.append(["arp", "off" if "NOARP" in link["flags"] else "on"])
    if ("UP" in link["flags"]) != ("UP" in now["flags"]):
        found.append(["up" if "UP" in link["flags"] else "down"])
    return found


def _port_settings(link: Link, now: Link) -> list[list[Any]]:
    if any(entry.get("linkinfo", {}).get("info_slave_kind") != "bridge" for entry in (link, now)):
        return []
    old, new = (entry.get("linkinfo", {}).get("info_slave_data", {}) for entry in (link, now))
    numbers = [[name, old[name]] for name in _PORT_NUMBERS if name in old and old[name] != new.get(name)]
    switches = [
        [name, "on" if old[name] else "off"] for name in _PORT_SWITCHES if name in old and old[name] != new.get(name)
    ]
    return [["type", "bridge_slave", *words] for words in numbers + switches]
