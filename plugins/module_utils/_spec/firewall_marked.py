# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nftables layout of the filters around networks, on a host with other firewalls that drop. Pure.

It is the plain one, and marks the packets of our bridges for the time in which the other firewalls see them, so that
one rule there can tell them from all others, however many networks there are. Without our table there is no mark, and
nothing is let through.
"""

from __future__ import annotations

from . import firewall_nftables, nft
from .firewall_layout import Shield
from .other_firewall import MARK
from .ruleset import Ruleset

TABLE = firewall_nftables.TABLE
SYNTAX = nft
read = firewall_nftables.read
#: Before and after all that others are likely to use.
_FIRST, _LAST = -190, 190
_SET = f"meta mark set meta mark | {MARK:#x}"
_CLEAR = f"meta mark & {MARK:#x} == {MARK:#x} meta mark set meta mark & {~MARK & 0xFFFFFFFF:#x}"
_MARKED = {
    "input": (f"iifname @bridges {_SET}",),
    "output": (f"oifname @bridges {_SET}",),
    # The last: with br_netfilter, from one port of a bridge to another.
    "forward": (f"iifname @bridges {_SET}", f"oifname @bridges {_SET}", f"iifname . oifname @wires {_SET}"),
}


def assemble(family: str, found: list[Shield]) -> Ruleset | None:
    """The whole table that holds these networks' rules; ``None`` when there is none."""
    plain = firewall_nftables.assemble(family, found)
    if plain is None:
        return None
    declared, chains = {"set wires": "type ifname . ifname"}, {}
    for hook, rules in _MARKED.items():
        for name, priority, lines in (("mark", _FIRST, rules), ("unmark", _LAST, (_CLEAR,))):
            declared[f"chain {name}-{hook}"] = f"type filter hook {hook} priority {priority}; policy accept;"
            chains[f"{name}-{hook}"] = lines
    pairs = (f'"{shield.bridge}" . "{shield.bridge}"' for shield in found if shield.bridge and not shield.guarded)
    elements = {**plain.elements, "wires": {pair: pair for pair in sorted(pairs)}}
    return Ruleset({**plain.declared, **declared}, {**plain.chains, **chains}, elements)
