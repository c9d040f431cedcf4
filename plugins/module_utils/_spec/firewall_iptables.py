# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The iptables layout of the filters around networks, for hosts that have only that. Pure.

The chains are gone through one after the other: a packet costs the more, the more networks there are.
"""

from __future__ import annotations

import re
from dataclasses import replace

from . import iptables
from .firewall import CROSS, REFUSAL, REFUSE
from .firewall_layout import Shield, bridges_of, chain_name, shields
from .packet_rule import PacketRule
from .ruleset import Ruleset

TABLE = "filter"
#: How its rules are written.
SYNTAX = iptables
#: Our chain -> the kernel's that jumps to it.
_HOOKS = {"input": "INPUT", "output": "OUTPUT", "forward": "FORWARD"}
_JUMP = re.compile(r"-[io] (?P<bridge>\S+) .* -j \S*?(?:in|out|from|to)-(?P<network>\S+)")


def read(table: Ruleset) -> list[Shield]:
    """The networks whose rules are in a table."""
    jumps = [_JUMP.match(line) for name in _HOOKS for line in table.chains.get(name, ())]
    bridges = {jump["network"]: jump["bridge"] for jump in jumps if jump}
    return shields(table.chains, bridges, iptables.comment_of)


def assemble(family: str, found: list[Shield]) -> Ruleset | None:
    """Our chains that hold these networks' rules, and the kernel's jumps to them; ``None`` when there is none."""
    if not found:
        return None
    own = {name: lines for shield in found for name, lines in shield.chains().items()}
    pairs, guarded = bridges_of(found), bridges_of(found, guarded=True)
    base = {
        "input": [(PacketRule(_to("in", n), in_interface=b), n) for b, n in pairs],
        "output": [(PacketRule(_to("out", n), out_interface=b), n) for b, n in pairs],
        "forward": [
            *((PacketRule(_to("from", n), in_interface=b), n) for b, n in pairs),
            *((PacketRule(_to("to", n), out_interface=b), n) for b, n in pairs),
            *((PacketRule("accept", in_interface=b), n) for b, n in guarded),
        ],
        CROSS.split(" ")[1]: [(PacketRule(REFUSE, in_interface=b), n) for b, n in guarded],
        REFUSE.split(" ")[1]: [(replace(rule, version=iptables.FAMILIES[family]), None) for rule in REFUSAL],
        **{hook: [(PacketRule(f"jump {name}"), None)] for name, hook in _HOOKS.items()},
    }
    texts = {name: tuple(iptables.rule_text(*rule) for rule in rules) for name, rules in base.items()}
    return Ruleset(chains={**own, **texts})


def _to(place: str, network: str) -> str:
    return f"jump {chain_name(place, network)}"
