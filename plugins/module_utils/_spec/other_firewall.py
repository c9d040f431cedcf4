# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What other programs' firewalls on a host do with packets that no rule of theirs knows. Pure.

A packet passes the chains of every program; one that drops is enough. Docker and ufw leave iptables' chains with a
policy of drop.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from . import iptables

#: iptables' chains and the kernel's hooks that they are on.
HOOKS = {"INPUT": "input", "FORWARD": "forward", "OUTPUT": "output"}
#: The bit of a packet's mark that says that the packet is for our own table to judge. It is on the packet only
#: between our first chain of a hook and our last one.
MARK = 0x10000000
TABLE = "filter"
#: Our one rule in a chain of iptables that belongs to somebody else.
ADMISSION = f'-m mark --mark {MARK:#x}/{MARK:#x} -m comment --comment "{iptables.MARK} admits" -j ACCEPT'
#: Family of a table of nftables -> the versions of IP whose packets it sees.
_VERSIONS = {"ip": {4}, "ip6": {6}, "inet": {4, 6}}
_COMMENT = re.compile(r'-m comment --comment (?:"[^"]*"|\S+) ?')


@dataclass(frozen=True)
class IptablesChain:
    """A kernel's chain of `tool`. ``drops``: what no rule knows is dropped, by policy or by a rule at the end.

    ``end`` is the number of that rule, ours not counted; ``None`` when it is the policy. ``ours``: our rules in it.
    ``astray``: one of them comes too late.
    """

    tool: str
    name: str
    drops: bool
    end: int | None
    ours: tuple[str, ...]
    astray: bool


@dataclass(frozen=True)
class NativeChain:
    """A base chain of nftables that drops what no rule of it knows. ``rules``: each as nft's JSON."""

    family: str
    table: str
    name: str
    hook: str
    rules: tuple[str, ...]

    @property
    def versions(self) -> set[int]:
        return _VERSIONS[self.family]

    def admits(self, bridges: Iterable[str], by_mark: bool) -> bool:
        """Whether it has an accept for our mark, or one that names each bridge; no more is understood of its rules."""
        accepts = [rule for rule in self.rules if '"accept": null' in rule]
        if by_mark and any('"key": "mark"' in rule and f": {MARK}" in rule for rule in accepts):
            return True
        return all(any(f'"{bridge}"' in rule for rule in accepts) for bridge in bridges)


@dataclass(frozen=True)
class OtherFirewalls:
    """``bridge_versions``: the versions of IP for which packets between ports of one bridge meet the chains too."""

    iptables: tuple[IptablesChain, ...] = ()
    native: tuple[NativeChain, ...] = ()
    bridge_versions: frozenset[int] = frozenset()

    @property
    def drop(self) -> bool:
        return bool(self.native) or any(chain.drops for chain in self.iptables)


# -- iptables ------------------------------------------------------------------------------------


def iptables_chains(tool: str, listing: str) -> list[IptablesChain]:
    """The kernel's chains in what ``TOOL-save -t filter`` says."""
    policies, rules = {}, {}
    for line in listing.splitlines():
        if line.startswith(":"):
            name, policy = line[1:].split(" ")[:2]
            policies[name], rules[name] = policy, []
        elif line.startswith("-A "):
            _option, name, text = line.split(" ", 2)
            rules[name].append(text)
    return [_chain(tool, name, policies[name], rules) for name in HOOKS if name in rules]


def _chain(tool: str, name: str, policy: str, rules: Mapping[str, list[str]]) -> IptablesChain:
    ours = [is_ours(text) for text in rules[name]]
    others = [text for text in rules[name] if not is_ours(text)]
    verdict, end = _fate(others, rules, ())
    drops = (verdict or policy) == "DROP"
    # The rule at the end has this number in the chain with ours in it.
    last = len(ours) if end is None else [n for n, mine in enumerate(ours) if not mine][end - 1]
    return IptablesChain(
        tool, name, drops, end, tuple(t for t in rules[name] if is_ours(t)), drops and any(ours[last:])
    )


def is_ours(text: str) -> bool:
    return f'--comment "{iptables.MARK} admits"' in text


def _fate(
    texts: Iterable[str], rules: Mapping[str, list[str]], inside: tuple[str, ...]
) -> tuple[str | None, int | None]:
    """What the first rule without a condition does to every packet (ACCEPT, RETURN or DROP), and its number."""
    for number, text in enumerate(texts, 1):
        if inside and text.endswith(" -j RETURN"):
            # Some packets go back, so the chain refuses some only.
            return None, None
        found = re.fullmatch(r"-[jg] (\S+)(?: --reject-with \S+)?", _COMMENT.sub("", text))
        verdict = found and {"REJECT": "DROP"}.get(found[1], found[1])
        if verdict in rules and verdict not in inside:
            verdict = _fate(rules[verdict], rules, (*inside, verdict))[0]
            verdict = None if verdict == "RETURN" else verdict
        if verdict in ("ACCEPT", "RETURN", "DROP"):
            # To return from one of the kernel's own chains is to leave it to the policy.
            return (verdict, number) if inside or verdict != "RETURN" else (None, number)
    return None, None


# -- nftables ------------------------------------------------------------------------------------


def native_chains(listing: Mapping[str, Any], ignored: Iterable[tuple[str, str]]) -> list[NativeChain]:
    """The base chains that drop, in what ``nft -j list ruleset`` says; `ignored`: families and names of tables."""
    rules: dict[tuple[str, str, str], list[list[Any]]] = {}
    chains = []
    for entry in listing["nftables"]:
        if rule := entry.get("rule"):
            rules.setdefault((rule["family"], rule["table"], rule["chain"]), []).append(rule["expr"])
        chain = entry.get("chain", {})
        if chain.get("type") == "filter" and chain["hook"] in HOOKS.values() and chain["family"] in _VERSIONS:
            chains.append(chain)
    found = []
    for chain in chains:
        own = rules.get((chain["family"], chain["table"], chain["name"]), [])
        known = (chain["family"], chain["table"]) in ignored
        if not known and (chain.get("policy") == "drop" or (own and _refuses_all(own[-1]))):
            texts = tuple(json.dumps(rule) for rule in own)
            found.append(NativeChain(chain["family"], chain["table"], chain["name"], chain["hook"], texts))
    return found


def _refuses_all(expressions: list[Any]) -> bool:
    kinds = {kind for expression in expressions for kind in expression}
    return bool(kinds & {"drop", "reject"}) and kinds <= {"drop", "reject", "counter", "log"}
