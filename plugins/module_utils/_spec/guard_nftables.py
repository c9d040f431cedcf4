# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nftables layout of the guards of NICs: sets of what each tap may send. Pure.

A packet is looked up in the sets by the name of the tap it came from, so it costs the same with one guard and with
many, and a tap that is made anew is guarded from its first packet on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from . import nft_bridge
from .ruleset import Ruleset

TABLE = "virtnet_guard"
#: How its rules are written.
SYNTAX = nft_bridge
#: The place of the target address in a neighbour advertisement (RFC 4861, section 4.4), for which nft has no name yet.
_TARGET = "@th,64,128"
_DECLARED = {
    **{f"set {name}": "type ifname" for name in ("nics", "known", "known4", "known6", "locals")},
    "set macs": "type ifname . ether_addr",
    "set addresses4": "type ifname . ipv4_addr",
    "set addresses6": "type ifname . ipv6_addr",
    "set targets": f"typeof iifname . {_TARGET}",
    "chain prerouting": "type filter hook prerouting priority dstnat; policy accept;",
}
_CHAINS = {
    "prerouting": ("iifname @nics jump nic",),
    "nic": (
        "iifname . ether saddr != @macs drop",
        # Hosts take these tags for none, and what is behind them is not seen here.
        "vlan id 0 drop",
        "ether type 8021ad drop",
        "meta protocol arp goto from-arp",
        "meta protocol ip goto from-ip",
        "meta protocol ip6 goto from-ip6",
        # One VLAN tag is off by now; this is a second one.
        "meta protocol 8021q iifname @known drop",
        "meta protocol 8021ad iifname @known drop",
    ),
    "from-arp": (
        "iifname . arp saddr ether != @macs drop",
        "iifname != @known4 accept",
        # It asks whether somebody has an address: RFC 5227.
        "arp saddr ip 0.0.0.0 accept",
        "iifname . arp saddr ip @addresses4 accept",
        "drop",
    ),
    "from-ip": (
        # What DHCP servers say.
        "udp sport 67 drop",
        "udp dport 68 drop",
        "iifname != @known4 accept",
        "iifname . ip saddr @addresses4 accept",
        "ip saddr 0.0.0.0 udp dport 67 accept",
        "drop",
    ),
    "from-ip6": (
        "icmpv6 type nd-router-advert drop",
        "udp sport 547 drop",
        "udp dport 546 drop",
        "iifname != @known6 accept",
        "icmpv6 type nd-neighbor-advert jump advert",
        "iifname . ip6 saddr @addresses6 accept",
        "iifname != @locals ip6 saddr fe80::/10 accept",
        # Whoever has no address yet asks whether somebody has it, and for routers: RFC 4862.
        "ip6 saddr :: meta l4proto ipv6-icmp accept",
        "drop",
    ),
    "advert": (
        f"iifname . {_TARGET} @targets return",
        "iifname != @locals @th,64,16 0xfe80 return",
        "drop",
    ),
}


@dataclass(frozen=True)
class Guard:
    """What may come from behind a tap; without an address of a version, all of that version."""

    name: str
    mac: str
    addresses: tuple[str, ...] = ()
    guest: str | None = None


def read(table: Ruleset) -> list[Guard]:
    """The guards in a table; one without a MAC address, which somebody took out, is left out."""
    macs = dict(_pairs(table, "macs"))
    addresses: dict[str, list[str]] = {}
    for kind in ("addresses4", "addresses6"):
        for name, one in _pairs(table, kind):
            addresses.setdefault(name, []).append(one)
    return [
        Guard(name, macs[name], tuple(sorted(addresses.get(name, ()))), nft_bridge.comment_of(text))
        for key, text in table.elements.get("nics", {}).items()
        if (name := key.strip('"')) in macs
    ]


def _pairs(table: Ruleset, name: str) -> Iterable[tuple[str, str]]:
    for key in table.elements.get(name, {}):
        tap, _dot, one = key.rpartition(" . ")
        yield tap.strip('"'), one


def assemble(_family: str, guards: list[Guard]) -> Ruleset | None:
    """The whole table; ``None`` when there is none."""
    if not guards:
        return None
    sets: dict[str, list[str]] = {what.partition(" ")[2]: [] for what in _DECLARED if what.startswith("set ")}
    comments = {}
    for guard in guards:
        for name, one in _members(guard):
            sets[name].append(one)
        if guard.guest:
            comments[f'"{guard.name}"'] = f' comment "{guard.guest}"'
    elements = {name: {one: one for one in members} for name, members in sets.items()}
    elements["nics"] = {key: key + comments.get(key, "") for key in elements["nics"]}
    return Ruleset(_DECLARED, _CHAINS, elements)


def _members(guard: Guard) -> Iterable[tuple[str, str]]:
    """Pairs of set and element."""
    tap = f'"{guard.name}"'
    yield "nics", tap
    yield "macs", f"{tap} . {guard.mac}"
    if guard.addresses:
        yield "known", tap
    for one in guard.addresses:
        version = 6 if ":" in one else 4
        yield f"known{version}", tap
        yield f"addresses{version}", f"{tap} . {one}"
        if version == 6:
            yield "targets", f"{tap} . {nft_bridge.raw(_number(one))}"
            if one.startswith("fe80:"):
                yield "locals", tap


def _number(ip: str) -> int:
    import netaddr

    return int(netaddr.IPAddress(ip))
