# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nftables layout of the filters around networks. Pure.

Maps from a bridge's name to its network's chains: a packet costs the same with one network and with a thousand.
"""

from __future__ import annotations

import re

from . import nft
from .firewall import CROSS, PLACES, REFUSAL, REFUSE
from .firewall_layout import Shield, bridges_of, chain_name, shields
from .ruleset import Ruleset

TABLE = "virtnet_filter"
#: How its rules are written.
SYNTAX = nft
_DECLARED = {
    **{f"map {place}": "type ifname : verdict" for place in PLACES},
    "set bridges": "type ifname",
    "chain input": "type filter hook input priority filter; policy accept;",
    "chain output": "type filter hook output priority filter; policy accept;",
    "chain forward": "type filter hook forward priority filter; policy accept;",
}
_BASE = {
    "input": ("iifname vmap @in",),
    "output": ("oifname vmap @out",),
    "forward": ("iifname vmap @from", "oifname vmap @to", "iifname @bridges accept"),
    CROSS.split(" ")[1]: (f"iifname @bridges {REFUSE}",),
    REFUSE.split(" ")[1]: tuple(nft.rule_text(rule) for rule in REFUSAL),
}


def read(table: Ruleset) -> list[Shield]:
    """The networks whose rules are in a table."""
    bridges = {}
    for place in PLACES:
        for key, text in table.elements.get(place, {}).items():
            if jump := re.search(rf": jump {place}-(\S+)$", text):
                bridges[jump[1]] = key.strip('"')
    return shields(table.chains, bridges, nft.comment_of)


def assemble(_family: str, found: list[Shield]) -> Ruleset | None:
    """The whole table that holds these networks' rules; ``None`` when there is none."""
    if not found:
        return None
    own = {name: lines for shield in found for name, lines in shield.chains().items()}
    elements: dict[str, dict[str, str]] = {name: {} for name in (*PLACES, "bridges")}
    for bridge, network in bridges_of(found):
        key = f'"{bridge}"'
        for place in PLACES:
            elements[place][key] = f"{key} : jump {chain_name(place, network)}"
    elements["bridges"] = {f'"{bridge}"': f'"{bridge}"' for bridge, _network in bridges_of(found, guarded=True)}
    return Ruleset(_DECLARED, {**own, **_BASE}, elements)
