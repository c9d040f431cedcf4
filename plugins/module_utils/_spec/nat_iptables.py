# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The iptables layout of address translation, for hosts that have only that. Pure.

Every place and network has a chain of its own, and the chains are gone through one after the other: a new connection's
first packet costs the more, the more forwards there are.
"""

from __future__ import annotations

import re

from . import iptables, packet_option, tag as tags
from .forward import Forward, everything
from .nat_layout import Item, chain_place, chains, hairpins, sources
from .nat_lines import INBOUND, Placed
from .packet_rule import PacketRule
from .ruleset import Ruleset
from .tag import Tag

TABLE = "nat"
#: How its rules are written.
SYNTAX = iptables
#: Our chain -> the kernel's that jumps to it.
_HOOKS = {"prerouting": "PREROUTING", "output": "OUTPUT", "postrouting": "POSTROUTING"}
# An open connection that was not tracked before counts as new. It goes on where it went: a TCP packet that begins
# a connection has no ACK flag.
_OPEN = f'-p tcp -m tcp --tcp-flags ACK ACK -m comment --comment "{iptables.MARK}" -j RETURN'
# A service that listens on the loopback address only stays what answers there.
_LOOPBACK = {"ip": "127.0.0.0/8", "ip6": "::1"}
_DNAT = re.compile(
    r"""(?P<source>(?:!\ )?-s\ \S+\ )?
    (?:(?P<negated>!\ )?-d\ (?P<destination>\S+)\ )?
    (?P<extra>.*?)
    (?:-p\ (?P<protocol>\S+)\ )?
    (?P<local>-m\ addrtype\ --dst-type\ LOCAL\ )?
    (?:-m\ \w+\ (?P<source_port>--sport\ \S+\ )?(?:--dport\ (?P<ports>\S+)\ )?)?
    -m\ comment\ --comment\ "[^"]*"\ -j\ (?:DNAT\ --to-destination|NETMAP\ --to)\ (?P<target>\S+)""",
    re.VERBOSE,
)


def item(placed: Placed, tag: Tag) -> Item:
    return _item(placed.place, tag, iptables.rule_text(placed.rule, str(tag)))


def items(table: Ruleset) -> list[Item]:
    """What is ours in a table and stands in its own network's chain."""
    found = []
    for name, lines in table.chains.items():
        owner = chain_place(name)
        for line in lines if owner else ():
            tag = tags.parse(iptables.comment_of(line))
            if tag and tag.network == owner[1]:
                found.append(_item(owner[0], tag, line))
    return found


def _item(place: str, tag: Tag, line: str) -> Item:
    source = re.match(r"-s (\S+)", line)
    return Item(place, tag, line, source and _bare(source[1]), _forward(line) if place in INBOUND else None)


def assemble(family: str, found: list[Item]) -> Ruleset | None:
    """Our chains that hold these rules, and the kernel's jumps to them; ``None`` when there is none."""
    if not found:
        return None
    own = chains(found + [item(*pair) for pair in hairpins(found)])
    jumps = {place: [_jump(name) for name in own if name.startswith(f"{place}-")] for place in (*INBOUND, "any")}
    posts = [
        iptables.rule_text(PacketRule(f"jump post-{network}", source=str(cidr)), network)
        for cidr, network in sources(found)
    ]
    inbound = (*jumps["at"], *jumps["port"], *jumps["wide"])
    base = {
        "prerouting": (_OPEN, *jumps["pre"], *inbound),
        "output": (_OPEN, iptables.rule_text(PacketRule("return", destination=_LOOPBACK[family])), *inbound),
        "postrouting": (*posts, *jumps["any"]),
    }
    kernel = {hook: (iptables.rule_text(PacketRule(f"jump {name}")),) for name, hook in _HOOKS.items()}
    return Ruleset(chains={**own, **base, **kernel})


def _jump(chain: str) -> str:
    return iptables.rule_text(PacketRule(f"jump {chain}"), chain_place(chain)[1])


# -- what a text says ----------------------------------------------------------------------------


def _bare(network: str) -> str:
    return packet_option.addresses("source", network)


def _forward(line: str) -> Forward | None:
    found = _DNAT.match(line)
    if not found:
        return None
    first, last = packet_option.bounds((found["ports"] or "0:65535").replace(":", "-"))
    target, to_port = re.fullmatch(r"\[?([\d.]+(?:/\d+)?|[^\]]+)\]?(?::(\d+))?", found["target"]).groups("")
    destination = None if found["local"] else everything(target)
    if found["destination"]:
        destination = ("!" if found["negated"] else "") + _bare(found["destination"])
    extra = f"{found['source'] or ''}{found['extra']}{found['source_port'] or ''}"
    return Forward(
        packet_option.version_of(target), destination, found["protocol"], target, to_port, first, last, extra
    )
