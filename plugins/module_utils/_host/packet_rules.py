# Copyright (c) 2026, virtnet.qemu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packet rules of this host, in its own namespace and in others, by nftables or iptables."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from .._spec.base import Step
from .._spec.ruleset import Ruleset, spelling
from .._spec.table import Entries, RuleWorld
from . import conntrack, iptables, namespace, nftables
from .errors import HostError

_BACKENDS = {"nftables": nftables, "iptables": iptables}
_TOOLS = {"nft": nftables} | {
    f"{tool}{variant}": iptables for tool in ("iptables", "ip6tables") for variant in ("", "-nft", "-legacy")
}


class PacketRules:
    """`layouts`: how a kind of resource keeps its rules, by backend."""

    def __init__(self, layouts: Mapping[str, ModuleType]) -> None:
        self._layouts = layouts

    def close(self) -> None:
        """Nothing stays open."""

    # -- observation -----------------------------------------------------------------------------

    def observe(self, wants: list[Any], everything: bool = False) -> RuleWorld:
        """The tables of the places that `wants` speak of; with `everything` of every namespace and backend there is."""
        existing = {None, *namespace.names()}
        tables = [want for want in wants if isinstance(want, Entries)]
        found = {want.key: self._table(want) if want.key[0] in existing else None for want in tables}
        if everything:
            seen = {(netns, self._backend(table[0])) for (netns, _asked), table in found.items() if table}
            others = [(n, b) for n in sorted(existing, key=str) for b in self._layouts if (n, b) not in seen]
            found.update({key: table for key in others if (table := self._usable_table(*key))})
        world = RuleWorld(found, self._layouts["nftables"], everything, conntrack.usable())
        self.look_around(world)
        for want in tables:
            self._learn_spelling(world, want)
        return world

    def look_around(self, world: RuleWorld) -> None:
        """Learn what else of the host matters to these rules."""

    def _backend(self, layout: ModuleType) -> str:
        return next(name for name, one in self._layouts.items() if one is layout)

    def _table(self, want: Any) -> tuple[ModuleType, dict[str, Ruleset]]:
        """The layout of a place's backend, and what is there."""
        netns, asked = want.key
        try:
            return self._read(netns, "nftables" if asked == "auto" else asked)
        except nftables.Unusable as exc:
            if asked != "auto" and want.only_removes:
                # Where rules cannot be, there are none.
                return self._layouts[asked], {}
            if asked != "auto":
                raise
            try:
                return self._read(netns, "iptables")
            except nftables.Unusable as other:
                raise HostError(f"backend: neither nftables nor iptables can be used: {exc}; {other}") from other

    def _usable_table(self, netns: str | None, backend: str) -> tuple[ModuleType, dict[str, Ruleset]] | None:
        try:
            return self._read(netns, backend)
        except nftables.Unusable:
            return None

    def _read(self, netns: str | None, backend: str) -> tuple[ModuleType, dict[str, Ruleset]]:
        layout = self._layouts[backend]
        with namespace.entered(netns):
            listings = {family: _BACKENDS[backend].read(family, layout.TABLE) for family in layout.SYNTAX.FAMILIES}
        parsed = {family: layout.SYNTAX.parse(listing) for family, listing in listings.items() if listing}
        return layout, {family: rules for family, rules in parsed.items() if rules}

    def _learn_spelling(self, world: RuleWorld, want: Any) -> None:
        """Where a rule looks changed, ask the host's own tool how it would print what is wanted.

        Versions differ in that (names or numbers of protocols), and a difference of words only is no change.
        """
        have = want.have(world)
        after = have and want.target(world, have)
        if after is None:
            return
        for family, rules in after.rulesets.items():
            if not _reworded(after.layout, have.rulesets.get(family), rules):
                continue
            tool, table = after.layout.SYNTAX.tool(family), after.layout.TABLE
            listing = _TOOLS[tool].printed(tool, family, table, after.layout.SYNTAX.script(table, None, rules))
            world.spelling.update(spelling(rules, after.layout.SYNTAX.parse(listing) or Ruleset()))

    # -- changes ---------------------------------------------------------------------------------

    def commit(self, steps: list[Step]) -> None:
        """All changes of a table in one transaction; then, for what is open, the connections."""
        transactions: dict[tuple[str | None, str, str], list[str]] = {}
        flushes: dict[str | None, list[Any]] = {}
        for step in steps:
            if step.op == "flush":
                flushes.setdefault(step.args["netns"], []).append(step.args["flush"])
                continue
            place = step.args["netns"], step.args["tool"], step.args["table"]
            transactions.setdefault(place, []).append(step.args["line"])
        for (netns, tool, table), lines in transactions.items():
            with namespace.entered(netns):
                _TOOLS[tool].apply(tool, table, lines)
        for netns, wanted in flushes.items():
            with namespace.entered(netns):
                conntrack.flush(wanted)


def _reworded(layout: ModuleType, have: Ruleset | None, rules: Ruleset) -> bool:
    """Whether a chain has the same rules by their comments, but not the same texts."""
    if have is None or have == rules:
        return False
    if have.declared != rules.declared and have.declared.keys() == rules.declared.keys():
        return True
    for name, lines in rules.chains.items():
        there = have.chains.get(name, ())
        comments = ([layout.SYNTAX.comment_of(line) for line in side] for side in (there, lines))
        if there != lines and len(set(map(tuple, comments))) == 1:
            return True
    return False
