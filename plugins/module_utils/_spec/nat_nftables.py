# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nftables layout of address translation. Pure.

A network's rules are in chains of their own. What leaves finds its chain by a map of source networks, and ports of the
host find their guest by a map too: ten thousand of them cost a packet what one costs.
"""

from __future__ import annotations

import re
from dataclasses import replace

from . import nft, packet_option, tag as tags
from .forward import Forward, everything
from .nat_layout import Item, chain_place, chains, hairpins, sources
from .nat_lines import Placed
from .ruleset import Ruleset
from .tag import Tag

TABLE = "virtnet_nat"
#: How its rules are written.
SYNTAX = nft
_MAPS = {
    "forward4": "type inet_proto . inet_service : ipv4_addr . inet_service",
    "forward6": "type inet_proto . inet_service : ipv6_addr . inet_service",
    "address4": "type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service",
    "address6": "type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service",
    "source4": "type ipv4_addr : verdict; flags interval",
    "source6": "type ipv6_addr : verdict; flags interval",
}
_HOOKS = {
    "prerouting": "type nat hook prerouting priority dstnat; policy accept;",
    "output": "type nat hook output priority -100; policy accept;",
    "postrouting": "type nat hook postrouting priority srcnat; policy accept;",
}
_DECLARED = {f"map {name}": text for name, text in _MAPS.items()}
_DECLARED.update({f"chain {name}": text for name, text in _HOOKS.items()})
_FORWARDS = (
    "dnat ip to ip daddr . meta l4proto . th dport map @address4",
    "dnat ip6 to ip6 daddr . meta l4proto . th dport map @address6",
    "fib daddr type local dnat ip to meta l4proto . th dport map @forward4",
    "fib daddr type local dnat ip6 to meta l4proto . th dport map @forward6",
)
# An open connection that was not tracked before counts as new. It goes on where it went: a TCP packet that begins
# a connection has no ACK flag.
_OPEN = "tcp flags ack return"
# A service that listens on the loopback address only stays what answers there.
_LOOPBACK = ("ip daddr 127.0.0.0/8 return", "ip6 daddr ::1 return")
_MAP_PLACES = {"address": "at", "forward": "port"}
_DNAT = re.compile(
    r"""(?P<extra>.*?)
    (?:ip6?\ daddr\ (?P<destination>(?:!=\ )?\S+)\ )?
    (?P<local>fib\ daddr\ type\ local\ )?
    (?P<source_port>\w+\ sport\ \S+\ )?
    (?:(?P<with_ports>\w+)\ dport\ (?P<ports>\S+)\ |meta\ l4proto\ (?P<protocol>\S+)\ )?
    dnat\ ip6?\ (?:prefix\ )?to\ (?:\[(?P<bracketed>\S+)\]|(?P<v4>[\d.]+(?:/\d+)?)|(?P<v6>[^\s\[]+))
    (?::(?P<to_port>\d+))?(?:\ |$)""",
    re.VERBOSE,
)


def item(placed: Placed, tag: Tag) -> Item:
    rule = placed.rule
    source = rule.source if placed.place == "post" else None
    if placed.place not in _MAP_PLACES.values():
        text = nft.rule_text(rule, str(tag))
        return Item(placed.place, tag, text, source, _forward_of_line(text))
    tag = replace(tag, rank="")
    key = f"{rule.protocol} . {rule.destination_port}"
    if placed.place == "at":
        key = f"{rule.destination} . {key}"
    text = f'{key} comment "{tag}" : {rule.to_address} . {rule.to_port}'
    return Item(placed.place, tag, text, None, _forward_of_element(placed.place, text))


def items(table: Ruleset) -> list[Item]:
    """What is ours in a table and stands in its own network's chain."""
    found = []
    for name, lines in table.chains.items():
        owner = chain_place(name)
        for line in lines if owner else ():
            tag = tags.parse(nft.comment_of(line))
            if tag and tag.network == owner[1]:
                found.append(Item(owner[0], tag, line, _source(line), _forward_of_line(line)))
    for name, place in ((f"{kind}{v}", place) for kind, place in _MAP_PLACES.items() for v in (4, 6)):
        for text in table.elements.get(name, {}).values():
            if tag := tags.parse(nft.comment_of(text)):
                found.append(Item(place, tag, text, None, _forward_of_element(place, text)))
    return found


def assemble(_family: str, found: list[Item]) -> Ruleset | None:
    """The whole table that holds these rules; ``None`` when there is none."""
    if not found:
        return None
    everything = found + [item(*pair) for pair in hairpins(found)]
    own = chains([i for i in everything if i.place not in _MAP_PLACES.values()])
    jumps = {
        place: [f"jump {name}" for name in own if name.startswith(f"{place}-")] for place in ("pre", "wide", "any")
    }
    base = {
        "prerouting": (_OPEN, *jumps["pre"], *_FORWARDS, *jumps["wide"]),
        "output": (_OPEN, *_LOOPBACK, *_FORWARDS, *jumps["wide"]),
        "postrouting": ("ip saddr vmap @source4", "ip6 saddr vmap @source6", *jumps["any"]),
    }
    return Ruleset(_DECLARED, {**own, **base}, _elements(everything))


def _elements(found: list[Item]) -> dict[str, dict[str, str]]:
    elements: dict[str, dict[str, str]] = {name: {} for name in _MAPS}
    kinds = {place: kind for kind, place in _MAP_PLACES.items()}
    for one in found:
        if one.place in kinds:
            elements[f"{kinds[one.place]}{one.version}"][nft.element_key(one.text)] = one.text
    for cidr, network in sources(found):
        key = packet_option.addresses("source", str(cidr))
        elements[f"source{cidr.version}"][key] = f"{key} : jump post-{network}"
    return elements


# -- what a text says ----------------------------------------------------------------------------


def _source(line: str) -> str | None:
    found = re.search(r"\bip6? saddr ([^! ]\S+)", line)
    return found and found[1]


def _forward_of_element(place: str, text: str) -> Forward:
    key, value = nft.element_key(text), text.rpartition(" : ")[2]
    *destination, protocol, port = key.split(" . ")
    target, to_port = value.split(" . ")
    where = destination[0] if place == "at" else None
    return Forward(packet_option.version_of(target), where, protocol, target, to_port, int(port), int(port))


def _forward_of_line(line: str) -> Forward | None:
    # Most lines are none, and to search one of them to its end takes long.
    found = _DNAT.match(line) if "dnat ip" in line else None
    if not found:
        return None
    first, last = packet_option.bounds(found["ports"] or "0-65535")
    target = found["v4"] or found["v6"] or found["bracketed"]
    destination = (found["destination"] or "").replace("!= ", "!") or (None if found["local"] else everything(target))
    extra = f"{found['extra']}{found['source_port'] or ''}"
    protocol = found["with_ports"] or found["protocol"]
    return Forward(
        packet_option.version_of(target), destination, protocol, target, found["to_port"] or "", first, last, extra
    )
